internal import NanoAutograd
internal import NanoLayers
internal import NanoTensor

/// A text being continued token by token, with a cache of what was computed before.
public protocol DecodingSession: Sendable {
  /// Tokens so far.
  var position: Int { get }
  /// Adds a token and returns the logits of the one after it.
  /// - Precondition: fewer tokens so far than the model's context length.
  mutating func append(_ token: Int32) -> [Float]
}

/// Blocks with a cache each, between an embedding and a head that the model gives.
private struct CachedBlocks<Attention: CachedAttention, Norm: Layer, Mixer: Layer>: DecodingSession {
  let blocks: [DecoderBlock<Norm, Attention, Mixer>]
  let embed: @Sendable (_ token: Int32, _ position: Int, ForwardContext) -> Variable
  let logits: @Sendable (Variable, ForwardContext) -> Variable
  private var caches: [Attention.Cache]
  private(set) var position = 0

  init(
    _ blocks: [DecoderBlock<Norm, Attention, Mixer>], contextLength: Int,
    embed: @escaping @Sendable (_ token: Int32, _ position: Int, ForwardContext) -> Variable,
    logits: @escaping @Sendable (Variable, ForwardContext) -> Variable
  ) {
    self.blocks = blocks
    self.embed = embed
    self.logits = logits
    caches = blocks.map { $0.attention.makeCache(contextLength: contextLength) }
  }

  mutating func append(_ token: Int32) -> [Float] {
    let tape = Tape(recording: false)
    let context = ForwardContext(tape: tape, sequenceLength: 1)
    var hidden = embed(token, position, context)
    for index in blocks.indices {
      hidden = blocks[index].decode(hidden, cache: &caches[index], in: context)
    }
    position += 1
    return withExtendedLifetime(tape) { logits(hidden, context).value.scalars }
  }
}

extension NanoKimiK2 {
  public func makeDecodingSession() -> (any DecodingSession)? {
    CachedBlocks(
      blocks, contextLength: configuration.contextLength,
      embed: { token, _, context in tokenEmbedding([token], in: context) },
      logits: { hidden, context in
        finalNorm(hidden, in: context).linear(weight: context.tape.variable(headWeight))
      })
  }
}

extension NanoGPT2 {
  public func makeDecodingSession() -> (any DecodingSession)? {
    CachedBlocks(
      blocks, contextLength: configuration.contextLength,
      embed: { token, position, context in
        tokenEmbedding([token], in: context) + positionEmbedding([Int32(position)], in: context)
      },
      logits: { hidden, context in
        finalNorm(hidden, in: context).linear(weight: context.tape.variable(headWeight))
      })
  }
}
