public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// A dense mixture of SwiGLU experts: every expert runs, a softmax router weighs them.
///
/// `y = Σ_e p_e · (W_down,e (silu(u_e) · v_e) + b_down,e)` with `[u_e | v_e] = W_e x + b_e` and
/// `p = softmax(R x + c)`.
///
/// The experts' matrices are stacked, so the first maps of all experts are one product and the rest, with the
/// gated sum, one operation.
/// - SeeAlso: Jacobs et al., "Adaptive mixtures of local experts", 1991; Shazeer, 2020, arXiv:2002.05202.
public struct DenseMoE: Layer {
  /// The sizes of a mixture.
  public struct Configuration: Hashable, Sendable, Codable {
    /// Experts, all of which every row uses.
    public var expertCount: Int
    /// Width of a hidden activation after the gate; an expert's first map has twice as many outputs.
    public var expertWidth: Int
    /// Whether the router and the experts have biases.
    public var hasBias: Bool

    /// A mixture of experts of `expertWidth` hidden channels each, by default with biases.
    public init(expertCount: Int, expertWidth: Int, hasBias: Bool = true) {
      self.expertCount = expertCount
      self.expertWidth = expertWidth
      self.hasBias = hasBias
    }
  }

  /// width → experts.
  public var router: Linear
  /// An expert after the other, each its gate rows above its up rows: experts matrices of 2·expertWidth × width.
  public var gateUp: Linear
  /// experts × width × expertWidth.
  public var down: Parameter
  /// experts × width; nil for none.
  public var downBias: Parameter?

  /// Given weights.
  public init(router: Linear, gateUp: Linear, down: Tensor, downBias: Tensor? = nil) {
    let (width, experts) = (router.inputCount, router.outputCount)
    checkPrecondition(
      down.shape.rank == 3 && down.shape[0] == experts && down.shape[1] == width
        && gateUp.weight.value.shape == [2 * experts * down.shape[2], width]
        && downBias.map { $0.shape == [experts, width] } ?? true,
      "DenseMoE: router \(router.weight.value.shape), gate and up \(gateUp.weight.value.shape), down \(down.shape), "
        + "its bias \(downBias?.shape ?? [])")
    self.router = router
    self.gateUp = gateUp
    self.down = Parameter(down, role: .expertMatrix(count: experts))
    self.downBias = downBias.map { Parameter($0, role: .bias) }
  }

  /// Fresh weights, as if each expert were layers of its own.
  /// - Parameter outputInitialization: of the maps into the residual stream; nil for that of the others.
  public init(
    width: Int, _ configuration: Configuration, initialization: Initialization = .pyTorch,
    outputInitialization: Initialization? = nil, using generator: inout RandomGenerator
  ) {
    let (experts, hidden) = (configuration.expertCount, configuration.expertWidth)
    checkPrecondition(
      width > 0 && hidden > 0 && experts > 0, "DenseMoE: \(experts) experts of \(hidden) for width \(width)")
    let output = outputInitialization ?? initialization
    self.init(
      router: Linear(
        inputs: width, outputs: experts, hasBias: configuration.hasBias, role: .router, initialization: initialization,
        using: &generator),
      gateUp: Linear(
        inputs: width, outputs: experts * 2 * hidden, hasBias: configuration.hasBias, stackedMatrices: experts,
        role: .expertMatrix(count: experts), initialization: initialization, using: &generator),
      down: output.weight([experts, width, hidden], inputs: hidden, using: &generator),
      downBias: configuration.hasBias ? output.bias([experts, width], inputs: hidden, using: &generator) : nil)
  }

  /// The weight of every expert for every row, N×E; rows sum to 1.
  public func gateProbabilities(_ input: Variable, in context: ForwardContext) -> Variable {
    router(input, in: context).softmax()
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    let tape = context.tape
    let gates = gateProbabilities(input, in: context)
    let bias =
      downBias.map { tape.variable($0) }
      ?? tape.constant(Tensor(repeating: 0, shape: [down.value.shape[0], down.value.shape[1]], on: down.value.gpu))
    return gateUp(input, in: context, roundingResult: true).expertMixture(
      gates: gates, weight: tape.variable(down), bias: bias)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try router.visitParameters(name.part("gate"), visit)
    try gateUp.visitParameters(name.part("experts.expansion"), visit)
    try visit(name.part("experts.contraction.weight"), &down)
    if downBias != nil { try visit(name.part("experts.contraction.bias"), &downBias!) }
  }
}
