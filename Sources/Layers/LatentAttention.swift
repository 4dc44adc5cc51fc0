public import NanoAutograd
internal import NanoPreconditions
public import NanoTensor

/// Multi-head latent attention: keys and values of all heads are made from one small latent vector a
/// position, which is all that a cache must hold, beside one rotated key that the heads share.
///
/// ```
/// q = W_q x                     or   W_qb · rms(W_qa x)
/// [c | k_r] = W_kva x,  c ← rms(c)
/// [k_n | v] per head = W_kvb c
/// logits = s (q_n · k_n + R q_r · R k_r),  s = (Kn + Kr)^-½, times the rotary scaling's factor
/// ```
/// - SeeAlso: DeepSeek-AI, 2024, "DeepSeek-V2", arXiv:2405.04434.
public struct LatentAttention: Layer {
  public struct Configuration: Hashable, Sendable, Codable {
    public var width: Int
    public var headCount: Int
    /// Channels of a head's queries and keys without position (Kn), rotated (Kr), and of its values.
    public var positionFreeWidth: Int
    public var rotaryWidth: Int
    public var valueWidth: Int
    /// Width of the latent that keys and values are made from.
    public var keyValueRank: Int
    /// Width of the latent that queries are made from; nil for one full matrix.
    public var queryRank: Int?
    public var rotaryBase: Double
    public var rotaryLayout: RotaryEmbedding.Layout
    /// For a context longer than what the model was first trained on; nil for none.
    public var rotaryScaling: RotaryScaling?
    /// The longest sequence.
    public var contextLength: Int
    /// Whether the maps from and to the residual stream but W_q have biases; nil for no.
    public var hasBiases: Bool?
    /// Whether Muon orthogonalizes the blocks of each head of W_q (or W_qb) and W_kvb by themselves.
    public var splitsHeads: Bool

    public init(
      width: Int, headCount: Int, positionFreeWidth: Int, rotaryWidth: Int, valueWidth: Int,
      keyValueRank: Int, queryRank: Int? = nil, rotaryBase: Double = 10_000,
      rotaryLayout: RotaryEmbedding.Layout = .interleaved, rotaryScaling: RotaryScaling? = nil,
      contextLength: Int, splitsHeads: Bool = false
    ) {
      self.width = width
      self.headCount = headCount
      self.positionFreeWidth = positionFreeWidth
      self.rotaryWidth = rotaryWidth
      self.valueWidth = valueWidth
      self.keyValueRank = keyValueRank
      self.queryRank = queryRank
      self.rotaryBase = rotaryBase
      self.rotaryLayout = rotaryLayout
      self.rotaryScaling = rotaryScaling
      self.contextLength = contextLength
      self.splitsHeads = splitsHeads
    }

    /// Channels of a head's queries and keys.
    public var keyWidth: Int { positionFreeWidth + rotaryWidth }
    /// Factor on the logits.
    public var scale: Float {
      let scale = 1 / Float(keyWidth).squareRoot()
      return rotaryScaling.map { scale * Float($0.logitFactor) } ?? scale
    }

    /// The rotation of the last Kr channels; one serves all layers.
    public var rotary: RotaryEmbedding {
      RotaryEmbedding(
        width: rotaryWidth, positionCount: contextLength, base: rotaryBase, layout: rotaryLayout,
        scaling: rotaryScaling)
    }
  }

  /// W_qa and its norm, when queries have a latent of their own.
  public struct QueryLatent: Sendable {
    public var down: Linear
    public var norm: RMSNorm
  }

  public let configuration: Configuration
  public let rotary: RotaryEmbedding
  public var queryLatent: QueryLatent?
  /// W_q or W_qb: heads × (Kn + Kr) rows.
  public var query: Linear
  /// W_kva: keyValueRank + Kr rows.
  public var keyValueDown: Linear
  public var keyValueNorm: RMSNorm
  /// W_kvb: heads × (Kn + values) rows.
  public var keyValueUp: Linear
  /// W_o.
  public var projection: Linear

  /// Weights normal with the given standard deviation.
  /// - Parameter rotary: the configuration's own, to share its tables with other layers.
  public init(
    _ configuration: Configuration, rotary: RotaryEmbedding? = nil, standardDeviation: Float = 0.02,
    using generator: inout RandomGenerator
  ) {
    let c = configuration
    checkPrecondition(
      c.headCount > 0 && c.rotaryWidth > 0 && c.rotaryWidth % 2 == 0 && c.positionFreeWidth >= 0,
      "LatentAttention: \(c.headCount) heads of \(c.positionFreeWidth) + \(c.rotaryWidth) channels")
    func linear(_ inputs: Int, _ outputs: Int, matrices: Int = 1, bias: Bool = false) -> Linear {
      Linear(
        normalInputs: inputs, outputs: outputs, standardDeviation: standardDeviation, hasBias: bias,
        stackedMatrices: matrices, using: &generator)
    }
    let hasBiases = c.hasBiases == true
    let headMatrices = c.splitsHeads ? c.headCount : 1
    self.configuration = c
    self.rotary = rotary ?? c.rotary
    if let rank = c.queryRank {
      queryLatent = QueryLatent(down: linear(c.width, rank, bias: hasBiases), norm: RMSNorm(width: rank))
    }
    query = linear(
      c.queryRank ?? c.width, c.headCount * c.keyWidth, matrices: headMatrices)
    keyValueDown = linear(c.width, c.keyValueRank + c.rotaryWidth, bias: hasBiases)
    keyValueNorm = RMSNorm(width: c.keyValueRank)
    keyValueUp = linear(
      c.keyValueRank, c.headCount * (c.positionFreeWidth + c.valueWidth), matrices: headMatrices)
    projection = linear(c.headCount * c.valueWidth, c.width, bias: hasBiases)
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    let c = configuration
    let compressed = keyValueDown(input, in: context)
    let latent = keyValueNorm(compressed.columns(0..<c.keyValueRank), in: context)
    let mixed = queries(input, in: context).latentAttention(
      keyValue: keyValueUp(latent, in: context, roundingResult: true),
      sharedKey: compressed.columns(c.keyValueRank..<c.keyValueRank + c.rotaryWidth),
      rotary: rotary, headCount: c.headCount, valueWidth: c.valueWidth,
      sequenceLength: context.sequenceLength, scale: c.scale
    ) { context.recorder?.record(largestLogits: $0) }
    return projection(mixed, in: context)
  }

  /// Per head `[position-free | rotary]`, before rotation.
  func queries(_ input: Variable, in context: ForwardContext) -> Variable {
    let latent =
      queryLatent.map { $0.norm($0.down(input, in: context), in: context) } ?? input
    return query(latent, in: context, roundingResult: true)
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
    try projection.visitParameters(name.part("projection"), visit)
  }
}
