/// The sizes that both models of the character study share.
public struct CharacterModelConfiguration: ModelConfiguration {
  /// What the attention logits are divided by the square root of.
  public enum AttentionScale: String, Hashable, Sendable, Codable {
    /// The width of one head, as Vaswani et al. have it.
    case headWidth
    /// The width of the model, as the published study's code has it.
    case modelWidth
  }

  public var vocabularySize: Int
  public var contextLength: Int
  /// Channels of the residual stream.
  public var width: Int
  public var layerCount: Int
  public var headCount: Int
  /// Experts of each mixture; NanoGPT has none and ignores it.
  public var expertCount: Int
  public var attentionScale: AttentionScale

  public init(
    vocabularySize: Int, contextLength: Int = 32, width: Int = 64, layerCount: Int = 4,
    headCount: Int = 4, expertCount: Int = 4, attentionScale: AttentionScale = .modelWidth
  ) {
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.width = width
    self.layerCount = layerCount
    self.headCount = headCount
    self.expertCount = expertCount
    self.attentionScale = attentionScale
  }

  var attentionFactor: Float {
    switch attentionScale {
    case .headWidth: 1 / Float(width / headCount).squareRoot()
    case .modelWidth: 1 / Float(width).squareRoot()
    }
  }

  public func validate() throws(ConfigurationError) {
    try ConfigurationError.require([
      ("vocabulary", vocabularySize, 1 << 20), ("context", contextLength, 1 << 16),
      ("embd", width, 1 << 14), ("layers", layerCount, 1 << 10), ("heads", headCount, 1 << 10),
      ("experts", expertCount, 1 << 10),
    ])
    guard width % headCount == 0 else {
      throw ConfigurationError(
        "embd \(width) is not divisible by heads \(headCount); every head needs the same width")
    }
    // A mixture model, the larger of the two.
    let perLayer = (4 + 3 * expertCount) * width * width
    let parameters =
      Double(layerCount * perLayer) + Double((2 * vocabularySize + contextLength) * width)
    try ConfigurationError.requireMemory(forParameters: parameters)
  }
}
