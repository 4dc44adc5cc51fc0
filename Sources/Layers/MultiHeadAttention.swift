public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// Multi-head causal self-attention: per head `softmax(s · Q Kᵀ) V`, heads concatenated and projected.
///
/// Optionally queries and keys are normalized head by head (QK-norm), then rotated by their positions.
/// - SeeAlso: Vaswani et al., 2017, arXiv:1706.03762; Henry et al., 2020, arXiv:2010.04245 for QK-norm; Su et al.,
///   2021, arXiv:2104.09864 for rotary positions.
public struct MultiHeadAttention: Layer {
  /// The sizes and choices of an attention.
  public struct Configuration: Hashable, Sendable, Codable {
    /// The factor on the logits.
    public enum Scale: Hashable, Sendable {
      /// `1/√headWidth`, as Vaswani et al. have it.
      case headWidth
      /// `1/√width` of the model, as the published character study's code has it.
      case modelWidth
      /// A number by itself, for queries and keys that are normalized.
      case factor(Float)

      func factor(width: Int, headWidth: Int) -> Float {
        switch self {
        case .headWidth: 1 / Float(headWidth).squareRoot()
        case .modelWidth: 1 / Float(width).squareRoot()
        case .factor(let factor): factor
        }
      }
    }

    /// Heads, each width / headCount wide.
    public var headCount: Int
    /// The factor on logits.
    public var scale: Scale
    /// Whether the queries and keys of each head are normalized.
    public var hasQueryKeyNorm: Bool
    /// Whether the map to queries, keys and values has a bias, and the projection.
    public var hasQueryKeyValueBias: Bool
    /// Whether the output projection has a bias.
    public var hasProjectionBias: Bool
    /// Whether Muon orthogonalizes the blocks of each head of queries, keys and values by themselves.
    public var splitsHeads: Bool

    /// An attention whose logits are multiplied by `1/√headWidth`, unless `scale` says otherwise.
    /// - Precondition: `headCount` is at least 1 and divides the width of the model.
    public init(
      headCount: Int, scale: Scale = .headWidth, hasQueryKeyNorm: Bool = false, hasQueryKeyValueBias: Bool = false,
      hasProjectionBias: Bool = true, splitsHeads: Bool = false
    ) {
      self.headCount = headCount
      self.scale = scale
      self.hasQueryKeyNorm = hasQueryKeyNorm
      self.hasQueryKeyValueBias = hasQueryKeyValueBias
      self.hasProjectionBias = hasProjectionBias
      self.splitsHeads = splitsHeads
    }
  }

  /// The norms of QK-norm, one gain a channel of a head, shared by all heads.
  public struct QueryKeyNorm: Sendable {
    /// Of each head's queries and keys, over the width of a head.
    public var query, key: RMSNorm

    /// Norms that are as wide as a head.
    public init(query: RMSNorm, key: RMSNorm) {
      self.query = query
      self.key = key
    }
  }

  /// Heads, each width / headCount wide.
  public let headCount: Int
  /// The factor on the logits.
  public let scale: Float
  /// The rotation of queries and keys; nil for none.
  public let rotary: RotaryEmbedding?
  /// Query, key and value matrices of all heads, headWidth × width each, one above the other.
  public var queryKeyValue: Linear
  /// Nil for none.
  public var queryKeyNorm: QueryKeyNorm?
  /// From the joined heads to the output.
  public var projection: Linear

  /// Given weights.
  /// - Parameters:
  ///   - scale: the factor on the logits; nil for `1/√headWidth`, times what a scaled rotation asks for.
  ///   - rotary: as wide as a head.
  public init(
    headCount: Int, queryKeyValue: Linear, projection: Linear, scale: Float? = nil, rotary: RotaryEmbedding? = nil,
    queryKeyNorm: QueryKeyNorm? = nil
  ) {
    let width = projection.inputCount
    checkPrecondition(
      headCount > 0 && width % headCount == 0, "MultiHeadAttention: width \(width) for \(headCount) heads")
    let headWidth = width / headCount
    checkPrecondition(
      queryKeyValue.outputCount == 3 * width && rotary.map { $0.width == headWidth } ?? true
        && queryKeyNorm.map { [$0.query, $0.key].allSatisfy { $0.gain.value.shape == [headWidth] } } ?? true,
      "MultiHeadAttention: query, key and value \(queryKeyValue.weight.value.shape), projection "
        + "\(projection.weight.value.shape), \(headCount) heads, rotation of \(rotary?.width ?? 0) channels, norms of "
        + "\(queryKeyNorm?.query.gain.value.shape ?? []) and \(queryKeyNorm?.key.gain.value.shape ?? [])")
    self.headCount = headCount
    self.scale = scale ?? (rotary?.logitFactor ?? 1) / Float(headWidth).squareRoot()
    self.rotary = rotary
    self.queryKeyValue = queryKeyValue
    self.queryKeyNorm = queryKeyNorm
    self.projection = projection
  }

  /// Fresh weights.
  /// - Parameter outputInitialization: of the projection; nil for that of the others.
  public init(
    width: Int, _ configuration: Configuration, rotary: RotaryEmbedding? = nil,
    initialization: Initialization = .pyTorch, outputInitialization: Initialization? = nil,
    using generator: inout RandomGenerator
  ) {
    let c = configuration
    checkPrecondition(
      c.headCount > 0 && width % c.headCount == 0, "MultiHeadAttention: width \(width) for \(c.headCount) heads")
    let headWidth = width / c.headCount
    self.init(
      headCount: c.headCount,
      queryKeyValue: Linear(
        inputs: width, outputs: 3 * width, hasBias: c.hasQueryKeyValueBias,
        stackedMatrices: c.splitsHeads ? 3 * c.headCount : 3, initialization: initialization, using: &generator),
      projection: Linear(
        inputs: width, outputs: width, hasBias: c.hasProjectionBias,
        initialization: outputInitialization ?? initialization, using: &generator),
      scale: (rotary?.logitFactor ?? 1) * c.scale.factor(width: width, headWidth: headWidth), rotary: rotary,
      queryKeyNorm: c.hasQueryKeyNorm
        ? QueryKeyNorm(query: RMSNorm(width: headWidth), key: RMSNorm(width: headWidth)) : nil)
  }

  private var width: Int { projection.inputCount }
  private var headWidth: Int { width / headCount }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    let fused = queryKeyValue(input, in: context, roundingResult: true)
    let observing: (Tensor) -> Void = { context.recorder?.record(largestLogits: $0) }
    guard rotary != nil || queryKeyNorm != nil else {
      let mixed = fused.causalAttention(
        sequenceLength: context.sequenceLength, headCount: headCount, scale: scale,
        dropout: context.nextDropoutMasks(), observing: observing)
      return projection(mixed, in: context)
    }
    let (query, key, value) = operands(fused, in: context)
    let mixed = query.causalAttention(
      key: key, value: value, sequenceLength: context.sequenceLength, headCount: headCount, scale: scale,
      dropout: context.nextDropoutMasks(), observing: observing)
    return projection(mixed, in: context)
  }

  /// Queries, keys and values as they are multiplied: heads normalized, then rotated.
  private func operands(
    _ fused: Variable, in context: ForwardContext
  ) -> (query: Variable, key: Variable, value: Variable) {
    func prepared(_ columns: Range<Int>, _ norm: RMSNorm?) -> Variable {
      var rows = fused.columns(columns)
      if let norm { rows = rows.normalizingHeads(norm, in: context) }
      guard let rotary else { return rows }
      return rows.rotated(by: rotary, sequenceLength: context.sequenceLength, headCount: headCount)
    }
    return (
      prepared(0..<width, queryKeyNorm?.query), prepared(width..<2 * width, queryKeyNorm?.key),
      fused.columns(2 * width..<3 * width)
    )
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try queryKeyValue.visitParameters(name.part("query_key_value"), visit)
    if queryKeyNorm != nil {
      try queryKeyNorm!.query.visitParameters(name.part("qk_norm.query"), visit)
      try queryKeyNorm!.key.visitParameters(name.part("qk_norm.key"), visit)
    }
    try projection.visitParameters(name.part("projection"), visit)
  }
}
