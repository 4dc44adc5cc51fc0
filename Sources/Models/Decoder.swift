public import NanoAutograd
public import NanoLayers
public import NanoTensor

/// A decoder-only transformer: embeddings, pre-norm blocks, a norm and a head, each part as the configuration says.
///
/// NanoGPT, NanoKimi, NanoGPT2 and NanoKimiK2 are configurations of it.
public struct Decoder: LanguageModel {
  public static let identifier = "decoder"
  public static let displayName = "Decoder"

  /// What it is made of.
  public let configuration: DecoderConfiguration
  /// One row a token.
  public var tokenEmbedding: Embedding
  /// Nil where positions are not learned.
  public var positionEmbedding: Embedding?
  /// Of the token before; nil where positions see their own token alone.
  public var previousTokenEmbedding: Embedding?
  /// In order.
  public var blocks: [DecoderBlock]
  /// Before the head.
  public var finalNorm: DecoderBlock.Norm
  /// Nil when the token embedding is the head.
  public var head: Linear?

  /// Fresh weights, drawn in the order in which parameters are visited.
  public init(
    _ configuration: DecoderConfiguration, using generator: inout RandomGenerator
  ) throws(ConfigurationError) {
    try configuration.validate()
    let c = configuration
    self.configuration = c
    var embeddingDeviation: Float = 1
    if case .normal(let deviation) = c.initialization { embeddingDeviation = deviation }
    tokenEmbedding = Embedding(
      count: c.vocabularySize, width: c.width, standardDeviation: embeddingDeviation, using: &generator)
    if c.positions == .learned {
      positionEmbedding = Embedding(
        count: c.contextLength, width: c.width, standardDeviation: embeddingDeviation, using: &generator)
    }
    if c.hasPreviousTokenEmbedding {
      previousTokenEmbedding = Embedding(
        count: c.vocabularySize, width: c.width, standardDeviation: embeddingDeviation, using: &generator)
    }
    let rotary = c.rotary
    blocks = []
    for layer in 0..<c.layerCount {
      blocks.append(DecoderBlock(c, layer: layer, rotary: rotary, using: &generator))
    }
    finalNorm = DecoderBlock.Norm(c)
    if case .own(let hasBias) = c.head {
      head = Linear(
        inputs: c.width, outputs: c.vocabularySize, hasBias: hasBias, role: .outputHead,
        initialization: c.initialization, using: &generator)
    }
  }

  func embedded(_ tokens: [Int32], in context: ForwardContext) -> Variable {
    var embedded = tokenEmbedding(tokens, in: context)
    if let previousTokenEmbedding {
      embedded =
        embedded + previousTokenEmbedding(tokens, in: context).shifted(by: 1, sequenceLength: context.sequenceLength)
    }
    guard let positionEmbedding else { return embedded }
    let positions = tokens.indices.map { Int32($0 % context.sequenceLength) }
    return embedded + positionEmbedding(positions, in: context)
  }

  /// The last hidden states, normalized.
  private func hidden(for tokens: [Int32], in context: ForwardContext) -> Variable {
    requireSequences(tokens, context)
    var hidden = context.dropped(embedded(tokens, in: context))
    for block in blocks { hidden = context.run(block, on: hidden) }
    return finalNorm(hidden, in: context)
  }

  private func logits(of hidden: Variable, in context: ForwardContext) -> Variable {
    head?(hidden, in: context) ?? hidden.linear(weight: context.tape.variable(tokenEmbedding.table))
  }

  public func logits(for tokens: [Int32], in context: ForwardContext) -> Variable {
    logits(of: hidden(for: tokens, in: context), in: context)
  }

  public func loss(inputs: [Int32], targets: [Int32], in context: ForwardContext) -> Variable {
    let hidden = hidden(for: inputs, in: context)
    // With the head in one operation, unless that has a bias, which the operation does not know.
    guard head?.bias == nil else { return logits(of: hidden, in: context).crossEntropy(targets: targets) }
    return hidden.linearCrossEntropy(
      weight: context.tape.variable(head?.weight ?? tokenEmbedding.table), targets: targets)
  }

  /// Moves the routers' selection biases, and clips queries and keys whose logits grew too large.
  public mutating func finishStep(_ statistics: ForwardStatistics, rules: StepRules) {
    var routing = statistics.routing.makeIterator()
    for index in blocks.indices {
      if let threshold = rules.queryKeyClip, index < statistics.attention.count {
        blocks[index].attention.clipQueryKey(
          largestLogits: statistics.attention[index].largestLogits, threshold: threshold)
      }
      if case .sparseMoE = blocks[index].feedForward, let seen = routing.next() {
        blocks[index].feedForward.updateSelectionBiases(loads: seen.loads, rate: rules.selectionBiasRate)
      }
    }
  }

  public var activeParameterCount: Int { configuration.activeParameterCount }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try tokenEmbedding.visitParameters(name.part("token_embedding"), visit)
    if positionEmbedding != nil {
      try positionEmbedding!.visitParameters(name.part("position_embedding"), visit)
    }
    if previousTokenEmbedding != nil {
      try previousTokenEmbedding!.visitParameters(name.part("previous_token_embedding"), visit)
    }
    for index in blocks.indices {
      try blocks[index].visitParameters(name.part("blocks", index), visit)
    }
    try finalNorm.visitParameters(name.part("final_norm"), visit)
    if head != nil { try head!.visitParameters(name.part("head"), visit) }
  }
}

// MARK: Decoding

extension Decoder {
  public func makeDecodingSession(_ options: DecodingOptions) -> (any DecodingSession)? {
    DecoderSession(self, options)
  }
}
