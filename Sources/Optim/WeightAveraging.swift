internal import NanoTensor

/// A rule that also keeps the mean of every parameter over the last steps of a run, `a ← a + (p - a) / k` after the k-th of
/// them: weights that score better than those of the last step alone.
///
/// Training goes on as without it. On a GPU parameters are updated on the host.
/// - SeeAlso: Izmailov et al., "Averaging weights leads to wider optima", 2018, arXiv:1803.05407.
public struct WeightAveraging: Optimizer {
  /// What the means are called in a state.
  public static let bufferName = "average"

  private let rule: AnyOptimizer
  /// Updates that the means leave out.
  private let firstStep: Int

  /// Means of what a rule makes of parameters, over all its updates but the first `firstStep`.
  public init(_ rule: some Optimizer, after firstStep: Int) {
    self.rule = rule as? AnyOptimizer ?? AnyOptimizer(rule)
    self.firstStep = firstStep
  }

  /// One parameter's state with the rule, and its mean.
  public struct State: Sendable {
    var inner: AnyOptimizer.State
    var average: Tensor
  }

  public func makeState(for parameter: ParameterDescription) -> State {
    State(inner: rule.makeState(for: parameter), average: Tensor(zeros: [parameter.shape.elementCount]))
  }

  public func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors, state: inout State
  ) {
    rule.update(&parameter, gradient: gradient, factors: factors, state: &state.inner)
    let count = stepCount(of: state) - firstStep
    guard count > 0 else { return }
    let share = 1 / Float(count)
    state.average.withMutableElements { average in
      for index in 0..<average.count { average[index] += share * (parameter[index] - average[index]) }
    }
  }

  public func stepCount(of state: State) -> Int { rule.stepCount(of: state.inner) }

  public func forEachBuffer(
    of state: State, _ body: (_ name: String, _ elements: Span<Float>) throws -> Void
  ) rethrows {
    try rule.forEachBuffer(of: state.inner, body)
    try state.average.withElements { try body(Self.bufferName, $0) }
  }

  public func restoreState(
    for parameter: ParameterDescription, from snapshot: StateSnapshot
  ) throws(StateMismatch) -> State {
    State(
      inner: try rule.restoreState(for: parameter, from: snapshot),
      average: Tensor(
        try snapshot.buffer(Self.bufferName, of: parameter), shape: [parameter.shape.elementCount]))
  }

  public func learningRate(for parameter: ParameterDescription) -> Float { rule.learningRate(for: parameter) }

  public func updateWork(of parameter: ParameterDescription) -> Int { rule.updateWork(of: parameter) }
}
