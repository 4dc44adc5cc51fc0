public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// A dense mixture of SwiGLU experts: every expert runs, a softmax gate weighs them.
///
/// `y = Σ_e p_e · (W2_e (silu(u_e) · v_e) + b2_e)` with `[u_e | v_e] = W1_e x + b1_e` and
/// `p = softmax(G x + c)`.
///
/// The experts' matrices are stacked, so the first maps of all experts are one product and the rest, with the
/// gated sum, one operation.
/// - SeeAlso: Jacobs et al., "Adaptive mixtures of local experts", 1991; Shazeer, 2020, arXiv:2002.05202.
public struct MoELayer: Layer {
  public struct Configuration: Hashable, Sendable, Codable {
    /// Width of input and output.
    public var modelWidth: Int
    /// Width of a hidden activation after the gate; an expert's first map has twice as many outputs.
    public var expertWidth: Int
    public var expertCount: Int

    public init(modelWidth: Int, expertWidth: Int, expertCount: Int) {
      self.modelWidth = modelWidth
      self.expertWidth = expertWidth
      self.expertCount = expertCount
    }
  }

  public let configuration: Configuration
  /// modelWidth → expertCount.
  public var gate: Linear
  /// expertCount matrices of 2·expertWidth × modelWidth, one above the other.
  public var expansion: Linear
  /// expertCount × modelWidth × expertWidth.
  public var contractionWeight: Parameter
  /// expertCount × modelWidth.
  public var contractionBias: Parameter

  /// All weights and biases as PyTorch's `nn.Linear` of each expert.
  public init(_ configuration: Configuration, using generator: inout RandomGenerator) {
    let (width, hidden) = (configuration.modelWidth, configuration.expertWidth)
    let experts = configuration.expertCount
    checkPrecondition(
      width > 0 && hidden > 0 && experts > 0,
      "MoELayer: \(experts) experts of \(hidden) for width \(width)")
    self.configuration = configuration
    gate = Linear(inputs: width, outputs: experts, role: .router, using: &generator)
    expansion = Linear(
      inputs: width, outputs: experts * 2 * hidden, stackedMatrices: experts, using: &generator)
    let bound = 1 / Float(hidden).squareRoot()
    contractionWeight = Parameter(
      Tensor(uniformWithin: bound, shape: [experts, width, hidden], using: &generator),
      role: .hiddenMatrix(count: experts))
    contractionBias = Parameter(
      Tensor(uniformWithin: bound, shape: [experts, width], using: &generator), role: .bias)
  }

  /// The weight of every expert for every row, N×E; rows sum to 1.
  public func gateProbabilities(_ input: Variable, in context: ForwardContext) -> Variable {
    gate(input, in: context).softmax()
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    let gates = gateProbabilities(input, in: context)
    return expansion(input, in: context, roundingResult: true).expertMixture(
      gates: gates, weight: context.tape.variable(contractionWeight),
      bias: context.tape.variable(contractionBias))
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try gate.visitParameters(name.part("gate"), visit)
    try expansion.visitParameters(name.part("experts.expansion"), visit)
    try visit(name.part("experts.contraction.weight"), &contractionWeight)
    try visit(name.part("experts.contraction.bias"), &contractionBias)
  }
}
