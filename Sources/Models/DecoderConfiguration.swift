public import NanoAutograd
public import NanoLayers

/// Everything that tells one ``Decoder`` from another. Any choice of one part goes with any of another.
public struct DecoderConfiguration: ModelConfiguration {
  /// Tokens that the model knows, each with a row of the embedding and a logit; from 1 to 2^20.
  public var vocabularySize: Int
  /// The longest sequence.
  public var contextLength: Int
  /// Channels of the residual stream.
  public var width: Int
  /// Blocks, one after another; from 1 to 1,024.
  public var layerCount: Int
  /// Whether the order of tokens enters by learned vectors or by rotations.
  public var positions: Positions
  /// Whether every position also sees the embedding of the token before its own, from a table of its own.
  public var hasPreviousTokenEmbedding: Bool
  /// Before the attention and the feed-forward part of each layer, and before the head.
  public var norm: Norm
  /// What mixes positions, in every layer.
  public var attention: Attention
  /// Positions that the causal convolution before each feed-forward part spans; 1 for none.
  public var convolutionKernelSize: Int
  /// What works on each position by itself, in every layer.
  public var feedForward: FeedForward
  /// Of all fresh weights but those that ``residualProjections`` speaks of.
  public var initialization: Initialization
  /// Of the maps into the residual stream: how their fresh weights begin.
  public var residualProjections: ResidualProjections
  /// What makes one logit for each token of the vocabulary.
  public var head: Head

  /// A configuration as given; ``validate()`` tells whether its parts go together.
  public init(
    vocabularySize: Int, contextLength: Int, width: Int, layerCount: Int, positions: Positions = .learned,
    hasPreviousTokenEmbedding: Bool = false, norm: Norm = .layerNorm(epsilon: 1e-5), attention: Attention,
    convolutionKernelSize: Int = 1, feedForward: FeedForward,
    initialization: Initialization = .normal(standardDeviation: 0.02),
    residualProjections: ResidualProjections = .plain, head: Head = .tied
  ) {
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.width = width
    self.layerCount = layerCount
    self.positions = positions
    self.hasPreviousTokenEmbedding = hasPreviousTokenEmbedding
    self.norm = norm
    self.attention = attention
    self.convolutionKernelSize = convolutionKernelSize
    self.feedForward = feedForward
    self.initialization = initialization
    self.residualProjections = residualProjections
    self.head = head
  }

  /// How the model knows where a token stands.
  public enum Positions: Hashable, Sendable, Codable {
    /// A learned vector a position, added to the token's.
    case learned
    /// Queries and keys are rotated: whole heads of multi-head attention, the `rope` channels of latent attention.
    case rotary(base: Double = 10_000, layout: RotaryEmbedding.Layout = .interleaved, scaling: RotaryScaling? = nil)
  }

  /// The norms of the residual stream.
  public enum Norm: Hashable, Sendable, Codable {
    case layerNorm(epsilon: Float)
    case rmsNorm(epsilon: Float)
  }

  /// Which attention mixes positions: one with full keys and values, or one that makes them from a latent vector.
  public enum Attention: Hashable, Sendable {
    case multiHead(MultiHeadAttention.Configuration)
    case latent(MultiHeadLatentAttention.Configuration)
  }

  /// What follows the attention of a layer.
  public enum FeedForward: Hashable, Sendable, Codable {
    case mlp(width: Int, activation: ActivationFunction, hasBias: Bool)
    case swiGLU(width: Int, hasBias: Bool)
    case denseMoE(experts: DenseMoE.Configuration)
    /// The first layers have a dense SwiGLU of `denseWidth` instead.
    case sparseMoE(experts: SparseMoE.Configuration, denseLayerCount: Int, denseWidth: Int)
  }

  /// How the maps into the residual stream (of attention and feed-forward) begin.
  public enum ResidualProjections: String, CaseIterable, Hashable, Sendable, Codable {
    /// Like all other weights.
    case plain
    /// Normal with a standard deviation √(2 layers) times smaller, as GPT-2 has them.
    case scaled
    /// Zero, so that every block begins as the identity.
    case zero
  }

  /// What makes logits.
  public enum Head: Hashable, Sendable, Codable {
    /// The token embedding.
    case tied
    case own(hasBias: Bool)
  }
}

extension DecoderConfiguration {
  /// The configuration of its multi-head attention, if it has that; set, the attention becomes that.
  public var multiHead: MultiHeadAttention.Configuration? {
    get { if case .multiHead(let configuration) = attention { configuration } else { nil } }
    set { if let newValue { attention = .multiHead(newValue) } }
  }

  /// The same for latent attention.
  public var latent: MultiHeadLatentAttention.Configuration? {
    get { if case .latent(let configuration) = attention { configuration } else { nil } }
    set { if let newValue { attention = .latent(newValue) } }
  }

  /// The configuration of its sparse mixtures, if it has such; can be set only where it has.
  public var sparseMoE: SparseMoE.Configuration? {
    get { if case .sparseMoE(let experts, _, _) = feedForward { experts } else { nil } }
    set {
      guard let newValue, case .sparseMoE(_, let count, let width) = feedForward else { return }
      feedForward = .sparseMoE(experts: newValue, denseLayerCount: count, denseWidth: width)
    }
  }

  /// The configuration of its dense mixtures, if it has such; set, the feed-forward parts become that.
  public var denseMoE: DenseMoE.Configuration? {
    get { if case .denseMoE(let experts) = feedForward { experts } else { nil } }
    set { if let newValue { feedForward = .denseMoE(experts: newValue) } }
  }

  /// Heads of each layer's attention, from 1 to 1,024.
  public var headCount: Int {
    get {
      switch attention {
      case .multiHead(let heads): heads.headCount
      case .latent(let heads): heads.headCount
      }
    }
    set {
      multiHead?.headCount = newValue
      latent?.headCount = newValue
    }
  }

  /// The rotation that all layers share; nil where none is needed.
  /// - Precondition: the configuration is valid.
  public var rotary: RotaryEmbedding? {
    let rotatedWidth = latent?.ropeWidth ?? width / headCount
    switch positions {
    case .rotary(let base, let layout, let scaling):
      return RotaryEmbedding(
        width: rotatedWidth, positionCount: contextLength, base: base, layout: layout, scaling: scaling)
    case .learned: return latent.map { .none(width: $0.ropeWidth, positionCount: contextLength) }
    }
  }
}

// MARK: Parameters

extension DecoderConfiguration {
  /// Numbers that are trained.
  public var parameterCount: Int { normParameterCount + parameterCountWithoutNorms }

  private var normParameterCount: Int {
    let norm =
      switch norm {
      case .layerNorm: 2 * width
      case .rmsNorm: width
      }
    let insideAttention =
      switch attention {
      case .multiHead(let a): a.hasQueryKeyNorm ? 2 * width / a.headCount : 0
      case .latent(let a): a.keyValueRank + (a.queryRank ?? 0) + (a.hasQueryKeyNorm ? 2 * a.keyWidth : 0)
      }
    return (2 * layerCount + 1) * norm + layerCount * insideAttention
  }

  /// All but those of norms.
  var parameterCountWithoutNorms: Int {
    let rows =
      (hasPreviousTokenEmbedding ? 2 : 1) * vocabularySize + (positions == .learned ? contextLength : 0)
    let convolution = convolutionKernelSize > 1 ? convolutionKernelSize * width : 0
    let head =
      switch head {
      case .tied: 0
      case .own(let hasBias): vocabularySize * (width + (hasBias ? 1 : 0))
      }
    let feedForward = (0..<layerCount).reduce(0) { $0 + feedForwardParameterCount(ofLayer: $1) }
    return rows * width + head + layerCount * (attentionParameterCount + convolution) + feedForward
  }

  /// Trained numbers that take part in the computation for one token.
  public var activeParameterCount: Int {
    guard case .sparseMoE(let experts, let denseLayerCount, _) = feedForward else { return parameterCount }
    let idle = experts.expertCount - experts.topK
    return parameterCount - (layerCount - denseLayerCount) * idle * 3 * experts.expertWidth * width
  }

  private var attentionParameterCount: Int {
    switch attention {
    case .multiHead(let a):
      return 4 * width * width + (a.hasQueryKeyValueBias ? 3 * width : 0) + (a.hasProjectionBias ? width : 0)
    case .latent(let a):
      let query = (a.queryRank ?? width) * a.headCount * a.keyWidth + (a.queryRank ?? 0) * width
      let keyValue =
        width * (a.keyValueRank + a.ropeWidth)
        + a.keyValueRank * a.headCount * (a.nopeWidth + a.valueWidth)
      let biases = a.hasBias ? (a.queryRank ?? 0) + a.keyValueRank + a.ropeWidth + width : 0
      return query + keyValue + a.headCount * a.valueWidth * width + biases
    }
  }

  private func feedForwardParameterCount(ofLayer layer: Int) -> Int {
    switch feedForward {
    case .mlp(let hidden, _, let hasBias): 2 * width * hidden + (hasBias ? hidden + width : 0)
    case .swiGLU(let hidden, let hasBias): 3 * width * hidden + (hasBias ? 2 * hidden + width : 0)
    case .denseMoE(let e):
      e.expertCount
        * (width + 3 * width * e.expertWidth + (e.hasBias ? 1 + 2 * e.expertWidth + width : 0))
    case .sparseMoE(let e, let denseLayerCount, let denseWidth):
      layer < denseLayerCount
        ? 3 * width * denseWidth
        : width * (e.expertCount + 3 * e.expertWidth * (e.expertCount + e.sharedExpertCount))
    }
  }
}

// MARK: Validation

extension DecoderConfiguration {
  public func validate() throws(ConfigurationError) {
    try ConfigurationError.require([
      ("vocabulary", vocabularySize, 1 << 20), ("context", contextLength, 1 << 18), ("width", width, 1 << 14),
      ("layers", layerCount, 1 << 10), ("heads", headCount, 1 << 10), ("convolution", convolutionKernelSize, 1 << 10),
    ])
    switch attention {
    case .multiHead(let a):
      if case .factor(let factor) = a.scale, !(factor > 0 && factor.isFinite) {
        throw ConfigurationError("attentionScale is \(factor); it must be a positive number")
      }
      guard width % headCount == 0 else {
        throw ConfigurationError(
          "width \(width) is not divisible by \(headCount) heads; every head needs the same width")
      }
      guard positions == .learned || width / headCount % 2 == 0 else {
        throw ConfigurationError(
          "a head's width \(width / headCount) is odd; rotary positions turn channels in pairs")
      }
    case .latent(let a):
      try ConfigurationError.require([
        ("nopeWidth", a.nopeWidth, 1 << 10), ("ropeWidth", a.ropeWidth, 1 << 10),
        ("valueWidth", a.valueWidth, 1 << 10), ("kvRank", a.keyValueRank, 1 << 14),
        ("qRank", a.queryRank ?? 1, 1 << 14),
      ])
      guard a.ropeWidth % 2 == 0 else {
        throw ConfigurationError("ropeWidth \(a.ropeWidth) is odd; channels are rotated in pairs")
      }
    }
    try validateFeedForward()
    try validateNumbers()
    try ConfigurationError.requireMemory(forParameters: Double(parameterCount))
  }

  private func validateFeedForward() throws(ConfigurationError) {
    switch feedForward {
    case .mlp(let hidden, _, _), .swiGLU(let hidden, _):
      try ConfigurationError.require([("feedForwardWidth", hidden, 1 << 18)])
    case .denseMoE(let e):
      try ConfigurationError.require([
        ("experts", e.expertCount, 1 << 10), ("expertWidth", e.expertWidth, 1 << 16),
      ])
    case .sparseMoE(let e, let denseLayerCount, let denseWidth):
      try ConfigurationError.require([
        ("experts", e.expertCount, 1 << 10), ("topK", e.topK, 1 << 10), ("expertWidth", e.expertWidth, 1 << 16),
        ("denseWidth", denseWidth, 1 << 18),
      ])
      guard e.topK <= e.expertCount else {
        throw ConfigurationError("topK \(e.topK) is more than experts \(e.expertCount)")
      }
      let (groups, chosenGroups) = (e.groups?.count ?? 1, e.groups?.topK ?? 1)
      guard groups > 0, e.expertCount % groups == 0, (1...groups).contains(chosenGroups),
        e.topK <= e.expertCount / groups * chosenGroups
      else {
        throw ConfigurationError(
          "\(chosenGroups) of \(groups) groups of \(e.expertCount) experts cannot give \(e.topK); groups "
            + "must be of equal size, and the chosen ones large enough")
      }
      guard (0...64).contains(e.sharedExpertCount) else {
        throw ConfigurationError("sharedExperts is \(e.sharedExpertCount); it must be from 0 to 64")
      }
      guard (0...layerCount).contains(denseLayerCount) else {
        throw ConfigurationError("denseLayers is \(denseLayerCount); it must be from 0 to layers \(layerCount)")
      }
      for (name, value) in [
        ("balanceLoss", e.balanceLossCoefficient), ("zLoss", e.zLossCoefficient), ("routedScale", e.scale),
      ] where !(value >= 0 && value.isFinite) {
        throw ConfigurationError("\(name) is \(value); it must be 0 or more")
      }
    }
  }

  private func validateNumbers() throws(ConfigurationError) {
    let epsilon =
      switch norm {
      case .layerNorm(let epsilon), .rmsNorm(let epsilon): epsilon
      }
    guard epsilon > 0, epsilon.isFinite else {
      throw ConfigurationError("the norms' epsilon is \(epsilon); it must be a positive number")
    }
    if case .rotary(let base, _, _) = positions, !(base > 0 && base.isFinite) {
      throw ConfigurationError("the rotary base is \(base); it must be a positive number")
    }
    switch initialization {
    case .pyTorch: break
    case .normal(let deviation):
      guard deviation > 0, deviation.isFinite else {
        throw ConfigurationError("weights' standard deviation is \(deviation); it must be a positive number")
      }
    case .zero:
      throw ConfigurationError("all weights zero learn nothing; only residual projections can begin so")
    }
    if residualProjections == .scaled, initialization == .pyTorch {
      throw ConfigurationError("scaled residual projections need normal weights, not PyTorch's")
    }
  }
}
