public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// The gated network `W_down (silu(W_gate x) · W_up x)`.
/// - SeeAlso: Shazeer, 2020, arXiv:2002.05202.
public struct SwiGLU: Layer {
  /// Gate rows above up rows: 2 matrices of hiddenWidth × width.
  public var gateUp: Linear
  /// Back to the width of the rows.
  public var down: Linear

  /// Given maps.
  public init(gateUp: Linear, down: Linear) {
    checkPrecondition(
      gateUp.outputCount == 2 * down.inputCount,
      "SwiGLU: gate and up \(gateUp.weight.value.shape), down \(down.weight.value.shape)")
    self.gateUp = gateUp
    self.down = down
  }

  /// Fresh weights.
  /// - Parameter outputInitialization: of the map into the residual stream; nil for that of the others.
  public init(
    width: Int, hiddenWidth: Int, hasBias: Bool = false,
    initialization: Initialization = .normal(standardDeviation: 0.02), outputInitialization: Initialization? = nil,
    using generator: inout RandomGenerator
  ) {
    self.init(
      gateUp: Linear(
        inputs: width, outputs: 2 * hiddenWidth, hasBias: hasBias, stackedMatrices: 2, initialization: initialization,
        using: &generator),
      down: Linear(
        inputs: hiddenWidth, outputs: width, hasBias: hasBias, initialization: outputInitialization ?? initialization,
        using: &generator))
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    input.feedForward(up: gateUp, down: down, activation: .swiGLU, in: context)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try gateUp.visitParameters(name.part("gate_up"), visit)
    try down.visitParameters(name.part("down"), visit)
  }
}
