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

extension NanoKimiK2 {
  public func makeDecodingSession() -> (any DecodingSession)? { Session(self) }

  private struct Session: DecodingSession {
    let model: NanoKimiK2
    var caches: [LatentCache]
    private(set) var position = 0

    init(_ model: NanoKimiK2) {
      self.model = model
      caches = model.blocks.map { _ in LatentCache(model.configuration.attention) }
    }

    mutating func append(_ token: Int32) -> [Float] {
      let tape = Tape(recording: false)
      let context = ForwardContext(tape: tape, sequenceLength: 1)
      var hidden = model.tokenEmbedding([token], in: context)
      for (index, block) in model.blocks.enumerated() {
        hidden =
          hidden
          + block.attention.decode(
            block.attentionNorm(hidden, in: context), cache: &caches[index], in: context)
        hidden = hidden + block.mixer(block.mixerNorm(hidden, in: context), in: context)
      }
      position += 1
      return model.finalNorm(hidden, in: context).linear(weight: tape.variable(model.headWeight))
        .value.scalars
    }
  }
}

extension NanoGPT2 {
  public func makeDecodingSession() -> (any DecodingSession)? { Session(self) }

  private struct Session: DecodingSession {
    let model: NanoGPT2
    var caches: [KeyValueCache]
    private(set) var position = 0

    init(_ model: NanoGPT2) {
      self.model = model
      caches = model.blocks.map { _ in
        KeyValueCache(
          width: model.configuration.width, contextLength: model.configuration.contextLength)
      }
    }

    mutating func append(_ token: Int32) -> [Float] {
      let tape = Tape(recording: false)
      let context = ForwardContext(tape: tape, sequenceLength: 1)
      var hidden =
        model.tokenEmbedding([token], in: context)
        + model.positionEmbedding([Int32(position)], in: context)
      for (index, block) in model.blocks.enumerated() {
        hidden =
          hidden
          + block.attention.decode(
            block.attentionNorm(hidden, in: context), cache: &caches[index], in: context)
        hidden = hidden + block.mixer(block.mixerNorm(hidden, in: context), in: context)
      }
      position += 1
      return model.finalNorm(hidden, in: context)
        .linear(weight: tape.variable(model.tokenEmbedding.table)).value.scalars
    }
  }
}
