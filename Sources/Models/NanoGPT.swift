public import NanoAutograd
public import NanoLayers
public import NanoTensor

/// The study's baseline: blocks of causal attention and a feed-forward network of four times the width.
public struct NanoGPT: LanguageModel {
  public static let identifier = "nanogpt"
  public static let displayName = "NanoGPT"

  public var decoder: CharacterDecoder<FeedForward>

  public var configuration: CharacterModelConfiguration { decoder.configuration }

  public init(
    _ configuration: CharacterModelConfiguration, using generator: inout RandomGenerator
  ) throws(ConfigurationError) {
    try configuration.validate()
    let width = configuration.width
    decoder = CharacterDecoder(configuration, using: &generator) { generator in
      FeedForward(width: width, hiddenWidth: 4 * width, using: &generator)
    }
  }

  public func logits(for tokens: [Int32], in context: ForwardContext) -> Variable {
    requireSequences(tokens, context)
    return decoder.logits(for: tokens, in: context)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try decoder.visitParameters(name, visit)
  }
}
