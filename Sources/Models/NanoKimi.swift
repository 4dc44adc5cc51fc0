public import NanoAutograd
public import NanoLayers
public import NanoTensor

/// The study's challenger: NanoGPT with every feed-forward network replaced by a softmax-gated mixture of
/// SwiGLU experts, all of which run.
public struct NanoKimi: LanguageModel {
  public static let identifier = "nanokimi"
  public static let displayName = "NanoKimi"

  public var decoder: CharacterDecoder<MoELayer>

  public var configuration: CharacterModelConfiguration { decoder.configuration }

  public init(
    _ configuration: CharacterModelConfiguration, using generator: inout RandomGenerator
  ) throws(ConfigurationError) {
    try configuration.validate()
    let mixture = MoELayer.Configuration(
      modelWidth: configuration.width, expertWidth: configuration.width,
      expertCount: configuration.expertCount)
    decoder = CharacterDecoder(configuration, using: &generator) { generator in
      MoELayer(mixture, using: &generator)
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
