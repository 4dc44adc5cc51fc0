public import NanoTensor

extension Optimizer {
  /// The state of a model's parameter that has not been updated yet.
  public func makeState(for parameter: Parameter, name: String = "") -> State {
    makeState(for: ParameterDescription(parameter, name: name))
  }

  /// One step on a model's parameter.
  /// - Precondition: the gradient has the parameter's shape, and the state was made for it.
  public func update(
    _ parameter: inout Parameter, gradient: Tensor, factors: StepFactors = StepFactors(), state: inout State
  ) {
    gradient.withElements { gradient in
      parameter.value.withMutableElements { update(&$0, gradient: gradient, factors: factors, state: &state) }
    }
  }
}

/// A rule with the states of all parameters that it has updated, for a training loop of one's own.
///
/// ```swift
/// var rule = ParameterOptimizer(RoutedOptimizer(Muon(), where: \.shape.isMatrix, otherwise: AdamW()))
/// layer.visitParameters(.root()) { name, parameter in
///   if let gradient = gradients[parameter.id] { rule.update(&parameter, gradient: gradient) }
/// }
/// ```
public struct ParameterOptimizer<Rule: Optimizer>: Sendable {
  public let rule: Rule
  private var states: [Parameter.ID: Rule.State] = [:]

  public init(_ rule: Rule) { self.rule = rule }

  /// One step; the parameter's first makes its state.
  /// - Parameter name: what a rule that routes by name is told.
  /// - Precondition: the gradient has the parameter's shape.
  public mutating func update(
    _ parameter: inout Parameter, gradient: Tensor, named name: String = "", factors: StepFactors = StepFactors()
  ) {
    let fresh = states[parameter.id] == nil ? rule.makeState(for: parameter, name: name) : nil
    if let fresh { states[parameter.id] = fresh }
    rule.update(&parameter, gradient: gradient, factors: factors, state: &states[parameter.id]!)
  }
}
