public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// Multi-head causal self-attention: per head `softmax(scale · Q Kᵀ) V`, heads concatenated and projected.
public struct CausalSelfAttention: Layer {
  public struct Configuration: Hashable, Sendable, Codable {
    public var width: Int
    public var headCount: Int
    /// The factor on the logits. `1/√headWidth` is Vaswani et al.'s; the published character study uses
    /// `1/√width`.
    public var scale: Float

    public init(width: Int, headCount: Int, scale: Float? = nil) {
      self.width = width
      self.headCount = headCount
      self.scale = scale ?? 1 / Float(width / headCount).squareRoot()
    }
  }

  public let configuration: Configuration
  /// Query, key and value matrices of all heads, 3 · headCount matrices of headWidth × width, one above
  /// the other.
  public var queryKeyValue: Linear
  public var projection: Linear

  /// Weights as PyTorch's `nn.Linear`; queries, keys and values without bias.
  public init(_ configuration: Configuration, using generator: inout RandomGenerator) {
    let (width, heads) = (configuration.width, configuration.headCount)
    self.init(
      configuration,
      queryKeyValue: Linear(
        inputs: width, outputs: 3 * width, hasBias: false, stackedMatrices: 3 * heads,
        using: &generator),
      projection: Linear(inputs: width, outputs: width, using: &generator))
  }

  /// - Precondition: the width is a multiple of the head count.
  public init(_ configuration: Configuration, queryKeyValue: Linear, projection: Linear) {
    let (width, heads) = (configuration.width, configuration.headCount)
    checkPrecondition(
      heads > 0 && width % heads == 0, "CausalSelfAttention: width \(width) for \(heads) heads")
    self.configuration = configuration
    self.queryKeyValue = queryKeyValue
    self.projection = projection
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    let mixed = queryKeyValue(input, in: context, roundingResult: true).causalAttention(
      sequenceLength: context.sequenceLength, headCount: configuration.headCount,
      scale: configuration.scale, dropout: context.nextDropoutMasks()
    ) { context.recorder?.record(largestLogits: $0) }
    return projection(mixed, in: context)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try queryKeyValue.visitParameters(name.part("query_key_value"), visit)
    try projection.visitParameters(name.part("projection"), visit)
  }
}
