public import NanoAutograd
public import NanoLayers
public import NanoTensor

/// The sizes of a ``NanoGPT2``.
public struct NanoGPT2Configuration: ModelConfiguration {
  public var vocabularySize: Int
  public var contextLength: Int
  public var width: Int
  public var layerCount: Int
  public var headCount: Int

  public init(
    vocabularySize: Int, contextLength: Int, width: Int, layerCount: Int, headCount: Int
  ) {
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.width = width
    self.layerCount = layerCount
    self.headCount = headCount
  }

  public func validate() throws(ConfigurationError) {
    try ConfigurationError.require([
      ("vocabulary", vocabularySize, 1 << 20), ("context", contextLength, 1 << 16),
      ("embd", width, 1 << 14), ("layers", layerCount, 1 << 10), ("heads", headCount, 1 << 10),
    ])
    guard width % headCount == 0 else {
      throw ConfigurationError(
        "embd \(width) is not divisible by heads \(headCount); every head needs the same width")
    }
    try ConfigurationError.requireMemory(
      forParameters: Double(12 * layerCount) * Double(width * width)
        + Double(vocabularySize + contextLength) * Double(width))
  }
}

/// GPT-2's architecture as karpathy/nanoGPT trains it: learned positions, pre-norm blocks with exact GELU,
/// the head tied to the token embedding.
public struct NanoGPT2: LanguageModel {
  public static let identifier = "nanogpt2"
  public static let displayName = "NanoGPT"

  public typealias Block = DecoderBlock<LayerNorm, CausalSelfAttention, FeedForward>

  public let configuration: NanoGPT2Configuration
  public var tokenEmbedding: Embedding
  public var positionEmbedding: Embedding
  public var blocks: [Block]
  public var finalNorm: LayerNorm

  /// Weights N(0, 0.02), the projections into the residual stream N(0, 0.02/√(2 layers)), biases 0.
  public init(
    _ configuration: NanoGPT2Configuration, using generator: inout RandomGenerator
  ) throws(ConfigurationError) {
    try configuration.validate()
    let c = configuration
    self.configuration = c
    let deviation: Float = 0.02
    func linear(
      _ inputs: Int, _ outputs: Int, _ deviation: Float, matrices: Int = 1
    ) -> Linear {
      Linear(
        normalInputs: inputs, outputs: outputs, standardDeviation: deviation, hasBias: true,
        stackedMatrices: matrices, using: &generator)
    }
    tokenEmbedding = Embedding(
      count: c.vocabularySize, width: c.width, standardDeviation: deviation, using: &generator)
    positionEmbedding = Embedding(
      count: c.contextLength, width: c.width, standardDeviation: deviation, using: &generator)
    let residualDeviation = deviation / Float(2 * c.layerCount).squareRoot()
    blocks = []
    for _ in 0..<c.layerCount {
      let attention = CausalSelfAttention(
        .init(width: c.width, headCount: c.headCount),
        queryKeyValue: linear(c.width, 3 * c.width, deviation, matrices: 3),
        projection: linear(c.width, c.width, residualDeviation))
      let network = FeedForward(
        expansion: linear(c.width, 4 * c.width, deviation),
        contraction: linear(4 * c.width, c.width, residualDeviation), activation: .gelu)
      blocks.append(
        Block(
          attentionNorm: LayerNorm(width: c.width), attention: attention,
          mixerNorm: LayerNorm(width: c.width), mixer: network))
    }
    finalNorm = LayerNorm(width: c.width)
  }

  /// The last hidden states, normalized.
  private func hidden(for tokens: [Int32], in context: ForwardContext) -> Variable {
    requireSequences(tokens, context)
    let positions = tokens.indices.map { Int32($0 % context.sequenceLength) }
    var hidden = context.dropped(
      tokenEmbedding(tokens, in: context) + positionEmbedding(positions, in: context))
    for block in blocks { hidden = context.run(block, on: hidden) }
    return finalNorm(hidden, in: context)
  }

  public func logits(for tokens: [Int32], in context: ForwardContext) -> Variable {
    hidden(for: tokens, in: context).linear(weight: context.tape.variable(tokenEmbedding.table))
  }

  public func loss(inputs: [Int32], targets: [Int32], in context: ForwardContext) -> Variable {
    hidden(for: inputs, in: context).linearCrossEntropy(
      weight: context.tape.variable(tokenEmbedding.table), targets: targets)
  }

  /// Clips queries and keys whose logits grew too large.
  public mutating func finishStep(_ statistics: ForwardStatistics, rules: StepRules) {
    guard let threshold = rules.queryKeyClip else { return }
    for (index, seen) in statistics.attention.enumerated() {
      blocks[index].attention.clipQueryKey(
        largestLogits: seen.largestLogits, threshold: threshold)
    }
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
  }
}
