public import NanoLayers

/// The sizes of a NanoKimiK2.
public struct NanoKimiK2Configuration: ModelConfiguration {
  public var vocabularySize: Int
  public var contextLength: Int
  public var layerCount: Int
  /// Layers, from the first on, with a dense network instead of a mixture.
  public var denseLayerCount: Int
  /// Width of the dense networks.
  public var denseWidth: Int
  public var attention: LatentAttention.Configuration
  public var mixture: SparseMoELayer.Configuration
  /// Whether the head is the token embedding.
  public var tiesHead: Bool
  /// Of all fresh weights.
  public var standardDeviation: Float
  /// Of the norms in the residual stream; those of the latents have 1e-6 always, as transformers has it.
  public var normEpsilon: Float = 1e-6

  public init(
    vocabularySize: Int, contextLength: Int, layerCount: Int, denseLayerCount: Int = 1,
    denseWidth: Int, attention: LatentAttention.Configuration,
    mixture: SparseMoELayer.Configuration, tiesHead: Bool = true, standardDeviation: Float = 0.02
  ) {
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.layerCount = layerCount
    self.denseLayerCount = denseLayerCount
    self.denseWidth = denseWidth
    self.attention = attention
    self.mixture = mixture
    self.tiesHead = tiesHead
    self.standardDeviation = standardDeviation
  }

  public var width: Int { attention.width }

  /// Numbers that a cache keeps for one token, over all layers.
  public var cachedValuesPerToken: Int {
    layerCount * (attention.keyValueRank + attention.rotaryWidth)
  }

  public func validate() throws(ConfigurationError) {
    let (a, m) = (attention, mixture)
    try ConfigurationError.require(
      [
        ("vocabulary", vocabularySize, 1 << 20), ("context", contextLength, 1 << 18),
        ("the attention's context", a.contextLength, 1 << 18),
        ("embd", a.width, 1 << 14), ("layers", layerCount, 1 << 10), ("heads", a.headCount, 1 << 10),
        ("nope-dim", a.positionFreeWidth, 1 << 10), ("rope-dim", a.rotaryWidth, 1 << 10),
        ("v-dim", a.valueWidth, 1 << 10), ("kv-rank", a.keyValueRank, 1 << 14),
        ("q-rank", a.queryRank ?? 1, 1 << 14), ("experts", m.expertCount, 1 << 10),
        ("experts-per-token", m.chosenCount, 1 << 10), ("expert-width", m.expertWidth, 1 << 16),
        ("dense-width", denseWidth, 1 << 18),
      ])
    guard a.rotaryWidth % 2 == 0 else {
      throw ConfigurationError("rope-dim \(a.rotaryWidth) is odd; channels are rotated in pairs")
    }
    guard m.chosenCount <= m.expertCount else {
      throw ConfigurationError(
        "experts-per-token \(m.chosenCount) is more than experts \(m.expertCount)")
    }
    let (groups, chosenGroups) = (m.groups?.count ?? 1, m.groups?.chosenCount ?? 1)
    guard groups > 0, m.expertCount % groups == 0, (1...groups).contains(chosenGroups),
      m.chosenCount <= m.expertCount / groups * chosenGroups
    else {
      throw ConfigurationError(
        "\(chosenGroups) of \(groups) groups of \(m.expertCount) experts cannot give \(m.chosenCount); groups "
          + "must be of equal size, and the chosen ones large enough")
    }
    guard (0...64).contains(m.sharedCount) else {
      throw ConfigurationError("shared-experts \(m.sharedCount) must be 0 to 64")
    }
    guard (0...layerCount).contains(denseLayerCount) else {
      throw ConfigurationError("dense-layers \(denseLayerCount) must be 0 to layers \(layerCount)")
    }
    guard m.modelWidth == a.width, a.contextLength >= contextLength else {
      throw ConfigurationError("attention, mixture and model disagree about width or context")
    }
    try ConfigurationError.requireMemory(forParameters: Double(estimatedParameterCount))
  }

  /// Trained numbers, norms left out.
  public var estimatedParameterCount: Int {
    let (a, m) = (attention, mixture)
    let query =
      (a.queryRank ?? a.width) * a.headCount * a.keyWidth + (a.queryRank ?? 0) * a.width
    let keyValue =
      a.width * (a.keyValueRank + a.rotaryWidth)
      + a.keyValueRank * a.headCount * (a.positionFreeWidth + a.valueWidth)
    let attentionCount = query + keyValue + a.headCount * a.valueWidth * a.width
    let sparseCount =
      a.width * (3 * m.expertWidth * (m.expertCount + m.sharedCount) + m.expertCount)
    return layerCount * attentionCount + denseLayerCount * 3 * a.width * denseWidth
      + (layerCount - denseLayerCount) * sparseCount
      + vocabularySize * a.width * (tiesHead ? 1 : 2)
  }
}

extension NanoKimiK2Configuration {
  /// A size of the family, named after its total parameters at 4,096 tokens (0.3M: at 65).
  public enum Size: String, CaseIterable, Hashable, Sendable, Codable {
    case tiny = "0.3M"
    case small = "3M"
    case medium = "10M"
    case large = "30M"
  }

  /// The family: value and position-free widths equal, one shared expert, one dense layer, λ ≈ √k.
  public init(size: Size, vocabularySize: Int, contextLength: Int) {
    struct Row {
      var width, layers, heads, positionFree, rotary, rank: Int
      var queryRank: Int?
      var experts, chosen, expertWidth, denseWidth: Int
      var scale: Float
    }
    let row =
      switch size {
      case .tiny:
        Row(
          width: 64, layers: 4, heads: 4, positionFree: 16, rotary: 8, rank: 32, queryRank: nil,
          experts: 8, chosen: 2, expertWidth: 40, denseWidth: 120, scale: 1.41)
      case .small:
        Row(
          width: 128, layers: 6, heads: 4, positionFree: 32, rotary: 16, rank: 64, queryRank: nil,
          experts: 16, chosen: 2, expertWidth: 80, denseWidth: 240, scale: 1.41)
      case .medium:
        Row(
          width: 192, layers: 8, heads: 6, positionFree: 32, rotary: 16, rank: 96, queryRank: nil,
          experts: 16, chosen: 4, expertWidth: 112, denseWidth: 560, scale: 2)
      case .large:
        Row(
          width: 256, layers: 10, heads: 8, positionFree: 32, rotary: 16, rank: 128, queryRank: 192,
          experts: 32, chosen: 4, expertWidth: 112, denseWidth: 560, scale: 2)
      }
    self.init(
      vocabularySize: vocabularySize, contextLength: contextLength, layerCount: row.layers,
      denseWidth: row.denseWidth,
      attention: LatentAttention.Configuration(
        width: row.width, headCount: row.heads, positionFreeWidth: row.positionFree,
        rotaryWidth: row.rotary, valueWidth: row.positionFree, keyValueRank: row.rank,
        queryRank: row.queryRank, contextLength: contextLength),
      mixture: SparseMoELayer.Configuration(
        modelWidth: row.width, expertWidth: row.expertWidth, expertCount: row.experts,
        chosenCount: row.chosen, scale: row.scale))
  }
}
