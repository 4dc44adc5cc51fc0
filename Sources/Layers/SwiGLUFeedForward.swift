public import NanoAutograd
public import NanoTensor

/// The gated network `W_down (silu(W_gate x) · W_up x)`, without biases.
/// - SeeAlso: Shazeer, 2020, arXiv:2002.05202.
public struct SwiGLUFeedForward: Layer {
  /// Gate rows above up rows: 2 matrices of hiddenWidth × width.
  public var gateUp: Linear
  public var down: Linear

  public init(
    width: Int, hiddenWidth: Int, standardDeviation: Float = 0.02,
    using generator: inout RandomGenerator
  ) {
    gateUp = Linear(
      normalInputs: width, outputs: 2 * hiddenWidth, standardDeviation: standardDeviation,
      stackedMatrices: 2, using: &generator)
    down = Linear(
      normalInputs: hiddenWidth, outputs: width, standardDeviation: standardDeviation,
      using: &generator)
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    input.feedForward(expansion: gateUp, contraction: down, activation: .swiGLU, in: context)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try gateUp.visitParameters(name.part("gate_up"), visit)
    try down.visitParameters(name.part("down"), visit)
  }
}
