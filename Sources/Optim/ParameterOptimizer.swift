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
  /// What updates the parameters.
  public let rule: Rule
  private var states: [Parameter.ID: Rule.State] = [:]

  /// A rule that has updated no parameter yet.
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

  /// The state of a parameter in plain form, for a file; nil before its first update.
  public func snapshot(of parameter: Parameter) -> StateSnapshot? {
    states[parameter.id].map { rule.snapshot(of: $0) }
  }

  /// Goes on with a parameter from a state that was saved.
  /// - Parameter name: what a rule that routes by name is told.
  /// - Throws: when the snapshot does not fit the parameter or the rule; its state is then what it was.
  public mutating func restore(
    _ snapshot: StateSnapshot, for parameter: Parameter, named name: String = ""
  ) throws(StateMismatch) {
    states[parameter.id] = try rule.restoreState(for: ParameterDescription(parameter, name: name), from: snapshot)
  }
}
