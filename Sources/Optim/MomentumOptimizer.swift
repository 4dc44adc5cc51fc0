internal import NanoTensor

/// An optimizer whose state is one momentum of a parameter's size.
public protocol MomentumOptimizer: Optimizer where State == MomentumState {}

/// A momentum, zero at first, and the steps that it has seen.
public struct MomentumState: Sendable {
  var stepCount = 0
  var momentum: Tensor
}

extension MomentumOptimizer {
  public func makeState(for parameter: ParameterDescription) -> MomentumState {
    MomentumState(momentum: Tensor(zeros: [parameter.shape.elementCount]))
  }

  public func stepCount(of state: MomentumState) -> Int { state.stepCount }

  public func forEachBuffer(
    of state: MomentumState, _ body: (_ name: String, _ elements: Span<Float>) throws -> Void
  ) rethrows {
    try state.momentum.withElements { try body("momentum", $0) }
  }

  public func restoreState(
    for parameter: ParameterDescription, from snapshot: StateSnapshot
  ) throws(StateMismatch) -> MomentumState {
    MomentumState(
      stepCount: snapshot.stepCount,
      momentum: Tensor(try snapshot.buffer("momentum", of: parameter), shape: [parameter.shape.elementCount]))
  }
}
