public import NanoAutograd
public import NanoLayers
public import NanoTensor

/// The transformer around the mixers that tell the study's models apart: token plus position embedding,
/// pre-norm blocks, a final norm and a linear head.
public struct CharacterDecoder<Mixer: Layer>: ParameterContainer {
  public let configuration: CharacterModelConfiguration
  public var tokenEmbedding: Embedding
  public var positionEmbedding: Embedding
  public var blocks: [DecoderBlock<LayerNorm, CausalSelfAttention, Mixer>]
  public var finalNorm: LayerNorm
  public var head: Linear

  public init(
    _ configuration: CharacterModelConfiguration, using generator: inout RandomGenerator,
    makeMixer: (inout RandomGenerator) -> Mixer
  ) {
    self.configuration = configuration
    let width = configuration.width
    tokenEmbedding = Embedding(
      count: configuration.vocabularySize, width: width, using: &generator)
    positionEmbedding = Embedding(
      count: configuration.contextLength, width: width, using: &generator)
    let attention = CausalSelfAttention.Configuration(
      width: width, headCount: configuration.headCount, scale: configuration.attentionFactor)
    blocks = []
    for _ in 0..<configuration.layerCount {
      blocks.append(
        DecoderBlock(
          attentionNorm: LayerNorm(width: width),
          attention: CausalSelfAttention(attention, using: &generator),
          mixerNorm: LayerNorm(width: width), mixer: makeMixer(&generator)))
    }
    finalNorm = LayerNorm(width: width)
    head = Linear(
      inputs: width, outputs: configuration.vocabularySize, role: .outputHead, using: &generator)
  }

  public func logits(for tokens: [Int32], in context: ForwardContext) -> Variable {
    let positions = tokens.indices.map { Int32($0 % context.sequenceLength) }
    var hidden =
      tokenEmbedding(tokens, in: context) + positionEmbedding(positions, in: context)
    for block in blocks { hidden = context.run(block, on: hidden) }
    return head(finalNorm(hidden, in: context), in: context)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try tokenEmbedding.visitParameters(name.part("token_embedding"), visit)
    try positionEmbedding.visitParameters(name.part("position_embedding"), visit)
    for index in blocks.indices {
      try blocks[index].visitParameters(name.part("blocks", index), visit)
    }
    try finalNorm.visitParameters(name.part("final_norm"), visit)
    try head.visitParameters(name.part("head"), visit)
  }
}
