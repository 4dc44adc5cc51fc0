import NanoLayers
import NanoModels

struct LabConfiguration: ModelConfiguration {
  var decoder: DecoderConfiguration
  var logitCap: Float = 15
  var vocabularySize: Int { decoder.vocabularySize }
  var contextLength: Int { decoder.contextLength }
  func validate() throws(ConfigurationError) { try decoder.validate() }
}

/// A decoder in which every position also sees the embedding of the token before its own, and whose logits are capped.
struct LabModel: LanguageModel {
  static let (identifier, displayName) = ("lab", "Lab")
  let configuration: LabConfiguration
  var decoder: Decoder
  var previous: Embedding

  init(_ configuration: LabConfiguration, using generator: inout RandomGenerator) throws(ConfigurationError) {
    self.configuration = configuration
    decoder = try Decoder(configuration.decoder, using: &generator)
    previous = Embedding(count: configuration.vocabularySize, width: configuration.decoder.width, using: &generator)
  }

  func logits(for tokens: [Int32], in context: ForwardContext) -> Variable {
    let before = previous(tokens, in: context).shifted(by: 1, sequenceLength: context.sequenceLength)
    let embedded = decoder.tokenEmbedding(tokens, in: context) + before
    let hidden = decoder.blocks.reduce(embedded) { context.run($1, on: $0) }
    return decoder.head!(decoder.finalNorm(hidden, in: context), in: context).softCapped(at: configuration.logitCap)
  }

  mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try decoder.visitParameters(name, visit)
    try previous.visitParameters(name.part("previous_embedding"), visit)
  }
}
