public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// Multi-head latent attention (MLA): keys and values of all heads are made from one small latent vector a
/// position, which is all that a cache must hold, beside one rotated key that the heads share.
///
/// ```
/// q = W_q x                     or   W_qb · rms(W_qa x)
/// [c | k_r] = W_kva x,  c ← rms(c)
/// [k_n | v] per head = W_kvb c
/// logits = s (q_n · k_n + R q_r · R k_r),  s = (nope + rope)^-½, times the rotary scaling's factor
/// ```
/// With QK-norm `q`, `k_n` and `k_r` are normalized, each head by itself, before they are rotated.
/// - SeeAlso: DeepSeek-AI, 2024, "DeepSeek-V2", arXiv:2405.04434.
public struct MultiHeadLatentAttention: Layer {
  /// The sizes and choices of an attention.
  public struct Configuration: Hashable, Sendable, Codable {
    /// Heads.
    public var headCount: Int
    /// Channels of a head's queries and keys without position, rotated, and of its values.
    public var nopeWidth, ropeWidth, valueWidth: Int
    /// Width of the latent that keys and values are made from.
    public var keyValueRank: Int
    /// Width of the latent that queries are made from; nil for one full matrix.
    public var queryRank: Int?
    /// Whether the queries and keys of each head are normalized.
    public var hasQueryKeyNorm: Bool
    /// Whether the maps from and to the residual stream but W_q have biases.
    public var hasBias: Bool
    /// Whether Muon orthogonalizes the blocks of each head of W_q (or W_qb) and W_kvb by themselves.
    public var splitsHeads: Bool

    /// An attention with widths and ranks in channels.
    /// - Precondition: `headCount` is at least 1, and `ropeWidth` is even and at least 2.
    public init(
      headCount: Int, nopeWidth: Int, ropeWidth: Int, valueWidth: Int, keyValueRank: Int, queryRank: Int? = nil,
      hasQueryKeyNorm: Bool = false, hasBias: Bool = false, splitsHeads: Bool = false
    ) {
      self.headCount = headCount
      self.nopeWidth = nopeWidth
      self.ropeWidth = ropeWidth
      self.valueWidth = valueWidth
      self.keyValueRank = keyValueRank
      self.queryRank = queryRank
      self.hasQueryKeyNorm = hasQueryKeyNorm
      self.hasBias = hasBias
      self.splitsHeads = splitsHeads
    }

    /// Channels of a head's queries and keys.
    public var keyWidth: Int { nopeWidth + ropeWidth }
  }

  /// W_qa and its norm, when queries have a latent of their own.
  public struct QueryLatent: Sendable {
    /// To the latent.
    public var down: Linear
    /// Of the latent.
    public var norm: RMSNorm

    /// A map to `queryRank` channels and the norm of as many.
    public init(down: Linear, norm: RMSNorm) {
      self.down = down
      self.norm = norm
    }
  }

  /// The norms of QK-norm, shared by all heads: of queries, of keys without position, and of the shared key.
  public struct QueryKeyNorm: Sendable {
    /// Of each head's queries and keys, and of the key that all heads share.
    public var query, key, sharedKey: RMSNorm

    /// Norms of `keyWidth`, `nopeWidth` and `ropeWidth` channels, in this order.
    public init(query: RMSNorm, key: RMSNorm, sharedKey: RMSNorm) {
      self.query = query
      self.key = key
      self.sharedKey = sharedKey
    }
  }

  /// Its sizes and choices.
  public let configuration: Configuration
  /// The rotation of the last channels of queries and keys; its tables may serve all layers.
  public let rotary: RotaryEmbedding
  /// Nil where queries come from the input itself.
  public var queryLatent: QueryLatent?
  /// W_q or W_qb: heads × (nope + rope) rows.
  public var query: Linear
  /// W_kva: keyValueRank + rope rows.
  public var keyValueDown: Linear
  /// Of the latent of keys and values.
  public var keyValueNorm: RMSNorm
  /// W_kvb: heads × (nope + value) rows.
  public var keyValueUp: Linear
  /// Nil for none.
  public var queryKeyNorm: QueryKeyNorm?
  /// W_o.
  public var projection: Linear

  /// Given weights.
  public init(
    _ configuration: Configuration, rotary: RotaryEmbedding, queryLatent: QueryLatent? = nil, query: Linear,
    keyValueDown: Linear, keyValueNorm: RMSNorm, keyValueUp: Linear, queryKeyNorm: QueryKeyNorm? = nil,
    projection: Linear
  ) {
    let c = configuration
    checkPrecondition(
      c.headCount > 0 && c.ropeWidth > 0 && c.nopeWidth >= 0 && rotary.width == c.ropeWidth,
      "MultiHeadLatentAttention: \(c.headCount) heads of \(c.nopeWidth) + \(c.ropeWidth) channels, rotation of "
        + "\(rotary.width)")
    let norms = queryKeyNorm.map { [$0.query, $0.key, $0.sharedKey].map(\.gain.value.elementCount) }
    checkPrecondition(
      query.outputCount == c.headCount * c.keyWidth && query.inputCount == (queryLatent?.down ?? projection).outputCount
        && keyValueDown.outputCount == c.keyValueRank + c.ropeWidth
        && keyValueNorm.gain.value.shape == [c.keyValueRank] && keyValueUp.inputCount == c.keyValueRank
        && keyValueUp.outputCount == c.headCount * (c.nopeWidth + c.valueWidth)
        && projection.inputCount == c.headCount * c.valueWidth
        && norms ?? [c.keyWidth, c.nopeWidth, c.ropeWidth] == [c.keyWidth, c.nopeWidth, c.ropeWidth],
      "MultiHeadLatentAttention: query \(query.weight.value.shape), key-value down \(keyValueDown.weight.value.shape), "
        + "up \(keyValueUp.weight.value.shape), projection \(projection.weight.value.shape), norms of \(norms ?? []) "
        + "for \(c)")
    self.configuration = c
    self.rotary = rotary
    self.queryLatent = queryLatent
    self.query = query
    self.keyValueDown = keyValueDown
    self.keyValueNorm = keyValueNorm
    self.keyValueUp = keyValueUp
    self.queryKeyNorm = queryKeyNorm
    self.projection = projection
  }

  /// Fresh weights.
  /// - Parameters:
  ///   - rotary: of `ropeWidth` channels, for the longest sequence.
  ///   - outputInitialization: of the projection; nil for that of the others.
  public init(
    width: Int, _ configuration: Configuration, rotary: RotaryEmbedding,
    initialization: Initialization = .normal(standardDeviation: 0.02), outputInitialization: Initialization? = nil,
    using generator: inout RandomGenerator
  ) {
    let c = configuration
    func linear(_ inputs: Int, _ outputs: Int, matrices: Int = 1, bias: Bool = false) -> Linear {
      Linear(
        inputs: inputs, outputs: outputs, hasBias: bias, stackedMatrices: matrices, initialization: initialization,
        using: &generator)
    }
    let headMatrices = c.splitsHeads ? c.headCount : 1
    let queryLatent = c.queryRank.map {
      QueryLatent(down: linear(width, $0, bias: c.hasBias), norm: RMSNorm(width: $0))
    }
    let query = linear(c.queryRank ?? width, c.headCount * c.keyWidth, matrices: headMatrices)
    let keyValueDown = linear(width, c.keyValueRank + c.ropeWidth, bias: c.hasBias)
    let keyValueUp = linear(
      c.keyValueRank, c.headCount * (c.nopeWidth + c.valueWidth), matrices: headMatrices)
    let projection = Linear(
      inputs: c.headCount * c.valueWidth, outputs: width, hasBias: c.hasBias,
      initialization: outputInitialization ?? initialization, using: &generator)
    self.init(
      c, rotary: rotary, queryLatent: queryLatent, query: query, keyValueDown: keyValueDown,
      keyValueNorm: RMSNorm(width: c.keyValueRank), keyValueUp: keyValueUp,
      queryKeyNorm: c.hasQueryKeyNorm
        ? QueryKeyNorm(
          query: RMSNorm(width: c.keyWidth), key: RMSNorm(width: c.nopeWidth), sharedKey: RMSNorm(width: c.ropeWidth))
        : nil,
      projection: projection)
  }

  /// Factor on the logits.
  public var scale: Float { 1 / Float(configuration.keyWidth).squareRoot() * rotary.logitFactor }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    let c = configuration
    let (latent, sharedKey) = compressed(input, in: context)
    let mixed = queries(input, in: context).latentAttention(
      keyValue: normalizingKeys(keyValueUp(latent, in: context, roundingResult: true), in: context),
      sharedKey: sharedKey, rotary: rotary, headCount: c.headCount, valueWidth: c.valueWidth,
      sequenceLength: context.sequenceLength, scale: scale
    ) { context.recorder?.record(largestLogits: $0) }
    return projection(mixed, in: context)
  }

  /// The normalized latent, and the shared key before rotation.
  private func compressed(
    _ input: Variable, in context: ForwardContext
  ) -> (latent: Variable, sharedKey: Variable) {
    let c = configuration
    let both = keyValueDown(input, in: context)
    let latent = keyValueNorm(both.columns(0..<c.keyValueRank), in: context)
    let sharedKey = both.columns(c.keyValueRank..<c.keyValueRank + c.ropeWidth)
    return (latent, queryKeyNorm.map { $0.sharedKey(sharedKey, in: context) } ?? sharedKey)
  }

  /// Per head `[nope | rope]`, before rotation.
  private func queries(_ input: Variable, in context: ForwardContext) -> Variable {
    let latent =
      queryLatent.map { $0.norm($0.down(input, in: context), in: context) } ?? input
    let queries = query(latent, in: context, roundingResult: true)
    return queryKeyNorm.map { queries.normalizingHeads($0.query, in: context) } ?? queries
  }

  /// Rows with, per head, `[key | value]`, keys normalized if there is QK-norm.
  private func normalizingKeys(_ keyValue: Variable, in context: ForwardContext) -> Variable {
    guard let norm = queryKeyNorm?.key else { return keyValue }
    let (shape, width) = (keyValue.shape, configuration.nopeWidth + configuration.valueWidth)
    let heads = keyValue.reshaped([shape.elementCount / width, width])
    return norm(heads.columns(0..<configuration.nopeWidth), in: context)
      .concatenated(with: heads.columns(configuration.nopeWidth..<width))
      .reshaped([shape.rowCount, shape.width])
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    if queryLatent != nil {
      try queryLatent!.down.visitParameters(name.part("query_down"), visit)
      try queryLatent!.norm.visitParameters(name.part("query_norm"), visit)
    }
    try query.visitParameters(name.part("query"), visit)
    try keyValueDown.visitParameters(name.part("key_value_down"), visit)
    try keyValueNorm.visitParameters(name.part("key_value_norm"), visit)
    try keyValueUp.visitParameters(name.part("key_value_up"), visit)
    if queryKeyNorm != nil {
      try queryKeyNorm!.query.visitParameters(name.part("qk_norm.query"), visit)
      try queryKeyNorm!.key.visitParameters(name.part("qk_norm.key"), visit)
      try queryKeyNorm!.sharedKey.visitParameters(name.part("qk_norm.shared_key"), visit)
    }
    try projection.visitParameters(name.part("projection"), visit)
  }
}

extension RotaryEmbedding {
  /// No rotation at all, for models whose positions are learned.
  public static func none(width: Int, positionCount: Int) -> RotaryEmbedding {
    RotaryEmbedding(width: width, positionCount: positionCount, scaling: .linear(factor: .infinity))
  }
}
