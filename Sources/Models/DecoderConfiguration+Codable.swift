internal import NanoLayers
internal import NanoAutograd

extension DecoderConfiguration {
  /// Decoding a configuration as it was written while the four models were four types needs the model's name here;
  /// without one, sizes of the character study are NanoGPT's.
  package static let modelName = CodingUserInfoKey(rawValue: "model")!

  /// The names of those models.
  package static let earlierModelNames = ["nanogpt", "nanokimi", "nanogpt2", "nanokimik2"]

  // Not private: the compiler writes `encode(to:)` in the file of the type, and has to see the keys from there.
  enum CodingKeys: String, CodingKey {
    case vocabularySize, contextLength, width, layerCount, positions, hasPreviousTokenEmbedding, norm, attention,
      convolutionKernelSize, feedForward, initialization, residualProjections, head
  }

  public init(from decoder: any Swift.Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard container.contains(.norm) else {
      self = try EarlierConfiguration(from: decoder).configuration(of: decoder.userInfo[Self.modelName] as? String)
      return
    }
    self.init(
      vocabularySize: try container.decode(Int.self, forKey: .vocabularySize),
      contextLength: try container.decode(Int.self, forKey: .contextLength),
      width: try container.decode(Int.self, forKey: .width),
      layerCount: try container.decode(Int.self, forKey: .layerCount),
      positions: try container.decode(Positions.self, forKey: .positions),
      hasPreviousTokenEmbedding:
        try container.decodeIfPresent(Bool.self, forKey: .hasPreviousTokenEmbedding) ?? false,
      norm: try container.decode(Norm.self, forKey: .norm),
      attention: try container.decode(Attention.self, forKey: .attention),
      convolutionKernelSize: try container.decodeIfPresent(Int.self, forKey: .convolutionKernelSize) ?? 1,
      feedForward: try container.decode(FeedForward.self, forKey: .feedForward),
      initialization: try container.decode(Initialization.self, forKey: .initialization),
      residualProjections: try container.decode(ResidualProjections.self, forKey: .residualProjections),
      head: try container.decode(Head.self, forKey: .head))
  }
}

extension DecoderConfiguration.Attention: Codable {
  private enum CodingKeys: String, CodingKey { case multiHead, latent }

  public init(from decoder: any Swift.Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if container.contains(.multiHead) {
      self = .multiHead(try container.decode(MultiHeadAttention.Configuration.self, forKey: .multiHead))
    } else {
      self = .latent(try container.decode(MultiHeadLatentAttention.Configuration.self, forKey: .latent))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .multiHead(let configuration): try container.encode(configuration, forKey: .multiHead)
    case .latent(let configuration): try container.encode(configuration, forKey: .latent)
    }
  }
}

/// A model's sizes as `config.json` had them while NanoGPT, NanoKimi, NanoGPT2 and NanoKimiK2 were types of their own.
private struct EarlierConfiguration: Decodable {
  var vocabularySize, contextLength, layerCount: Int
  var width, headCount: Int?
  // NanoGPT and NanoKimi
  var expertCount: Int?
  var attentionScale: MultiHeadAttention.Configuration.Scale?
  // NanoGPT2
  var hasOwnHead: Bool?
  var innerWidth: Int?
  var activation: ActivationFunction?
  var normEpsilon: Float?
  // NanoKimiK2
  var denseLayerCount, denseWidth: Int?
  var attention: Latent?
  var mixture: Mixture?
  var tiesHead: Bool?
  var standardDeviation: Float?

  struct Latent: Decodable {
    var width, headCount, positionFreeWidth, rotaryWidth, valueWidth, keyValueRank: Int
    var queryRank: Int?
    var rotaryBase: Double
    var rotaryLayout: RotaryEmbedding.Layout
    var rotaryScaling: RotaryScaling?
    var hasBiases: Bool?
    var splitsHeads: Bool
  }

  struct Mixture: Decodable {
    var expertWidth, expertCount, chosenCount, sharedCount: Int
    var groups: Groups?
    var scoring: RouterScoring
    var normalizesWeights: Bool
    var scale, balanceLossCoefficient, zLossCoefficient: Float

    struct Groups: Decodable { var count, chosenCount: Int }
  }

  func configuration(of model: String?) throws -> DecoderConfiguration {
    if let attention, let mixture { return nanoKimiK2(attention, mixture) }
    guard let width, let headCount, width > 0, headCount > 0 else {
      throw ConfigurationError("neither a decoder's configuration nor one of an earlier version")
    }
    guard let attentionScale else { return nanoGPT2(width: width, headCount: headCount) }
    return model == "nanokimi"
      ? .nanoKimi(
        vocabularySize: vocabularySize, contextLength: contextLength, width: width, layerCount: layerCount,
        headCount: headCount, expertCount: expertCount ?? 4, attentionScale: attentionScale)
      : .nanoGPT(
        vocabularySize: vocabularySize, contextLength: contextLength, width: width, layerCount: layerCount,
        headCount: headCount, attentionScale: attentionScale)
  }

  private func nanoGPT2(width: Int, headCount: Int) -> DecoderConfiguration {
    var result = DecoderConfiguration.nanoGPT2(
      vocabularySize: vocabularySize, contextLength: contextLength, width: width, layerCount: layerCount,
      headCount: headCount)
    result.norm = .layerNorm(epsilon: normEpsilon ?? 1e-5)
    result.feedForward = .mlp(width: innerWidth ?? 4 * width, activation: activation ?? .gelu, hasBias: true)
    if hasOwnHead == true { result.head = .own(hasBias: false) }
    return result
  }

  private func nanoKimiK2(_ a: Latent, _ m: Mixture) -> DecoderConfiguration {
    DecoderConfiguration(
      vocabularySize: vocabularySize, contextLength: contextLength, width: a.width, layerCount: layerCount,
      positions: .rotary(base: a.rotaryBase, layout: a.rotaryLayout, scaling: a.rotaryScaling),
      norm: .rmsNorm(epsilon: normEpsilon ?? 1e-6),
      attention: .latent(
        .init(
          headCount: a.headCount, nopeWidth: a.positionFreeWidth, ropeWidth: a.rotaryWidth, valueWidth: a.valueWidth,
          keyValueRank: a.keyValueRank, queryRank: a.queryRank, hasBias: a.hasBiases ?? false,
          splitsHeads: a.splitsHeads)),
      feedForward: .sparseMoE(
        experts: .init(
          expertCount: m.expertCount, topK: m.chosenCount, expertWidth: m.expertWidth,
          sharedExpertCount: m.sharedCount,
          groups: m.groups.map { ExpertGroups(count: $0.count, topK: $0.chosenCount) },
          scoring: m.scoring,
          normalizesWeights: m.normalizesWeights, scale: m.scale, balanceLossCoefficient: m.balanceLossCoefficient,
          zLossCoefficient: m.zLossCoefficient),
        denseLayerCount: denseLayerCount ?? 1, denseWidth: denseWidth ?? 1),
      initialization: .normal(standardDeviation: standardDeviation ?? 0.02),
      head: tiesHead == false ? .own(hasBias: false) : .tied)
  }
}
