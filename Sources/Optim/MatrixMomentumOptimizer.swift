internal import NanoTensor

/// An optimizer of matrices whose state is one momentum of a parameter's size, and what the normalization of its updates
/// keeps.
public protocol MatrixMomentumOptimizer: Optimizer where State == MatrixMomentum {
  /// What is done to an update after it was made orthogonal; nil for nothing.
  var updateNormalization: UpdateNormalization? { get }
}

extension MatrixMomentumOptimizer {
  public var updateNormalization: UpdateNormalization? { nil }

  /// - Precondition: the parameter is a matrix or a stack of matrices.
  public func makeState(for parameter: ParameterDescription) -> MatrixMomentum {
    MatrixMomentum(for: parameter, rule: "\(Self.self)", updateNormalization: updateNormalization)
  }

  public func stepCount(of state: MatrixMomentum) -> Int { state.stepCount }

  public func forEachBuffer(
    of state: MatrixMomentum, _ body: (_ name: String, _ elements: Span<Float>) throws -> Void
  ) rethrows {
    try state.forEachBuffer(body)
  }

  public func restoreState(
    for parameter: ParameterDescription, from snapshot: StateSnapshot
  ) throws(StateMismatch) -> MatrixMomentum {
    try MatrixMomentum(
      restoring: snapshot, for: parameter, rule: "\(Self.self)", updateNormalization: updateNormalization)
  }
}
