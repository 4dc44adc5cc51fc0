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
  /// Whether the head is a matrix of its own; nil for the token embedding.
  public var hasOwnHead: Bool?
  /// Channels between the two maps of a feed-forward network; nil for four times the width.
  public var innerWidth: Int?
  /// Of the feed-forward networks; nil for the exact GELU.
  public var activation: FeedForward.Activation?
  /// ε of the norms; nil for 1e-5.
  public var normEpsilon: Float?

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
      ("vocabulary", vocabularySize, 1 << 20), ("context", contextLength, 1 << 18),
      ("embd", width, 1 << 14), ("layers", layerCount, 1 << 10), ("heads", headCount, 1 << 10),
      ("inner width", innerWidth ?? 1, 1 << 18),
    ])
    guard width % headCount == 0 else {
      throw ConfigurationError(
        "embd \(width) is not divisible by heads \(headCount); every head needs the same width")
    }
    try ConfigurationError.requireMemory(
      forParameters: Double((4 * width + 2 * (innerWidth ?? 4 * width)) * layerCount) * Double(width)
        + Double((hasOwnHead == true ? 2 : 1) * vocabularySize + contextLength) * Double(width))
  }
}

/// GPT-2's architecture as karpathy/nanoGPT trains it: learned positions, pre-norm blocks with exact GELU (or what
/// an imported configuration has), the head tied to the token embedding unless it has one.
public struct NanoGPT2: LanguageModel {
  public static let identifier = "nanogpt2"
  public static let displayName = "NanoGPT"

  public typealias Block = DecoderBlock<LayerNorm, CausalSelfAttention, FeedForward>

  public let configuration: NanoGPT2Configuration
  public var tokenEmbedding: Embedding
  public var positionEmbedding: Embedding
  public var blocks: [Block]
  public var finalNorm: LayerNorm
  /// Nil when the token embedding is the head.
  public var head: Linear?

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
    let innerWidth = c.innerWidth ?? 4 * c.width
    func norm() -> LayerNorm { LayerNorm(width: c.width, epsilon: c.normEpsilon ?? 1e-5) }
    let residualDeviation = deviation / Float(2 * c.layerCount).squareRoot()
    blocks = []
    for _ in 0..<c.layerCount {
      let attention = CausalSelfAttention(
        .init(width: c.width, headCount: c.headCount),
        queryKeyValue: linear(c.width, 3 * c.width, deviation, matrices: 3),
        projection: linear(c.width, c.width, residualDeviation))
      let network = FeedForward(
        expansion: linear(c.width, innerWidth, deviation),
        contraction: linear(innerWidth, c.width, residualDeviation), activation: c.activation ?? .gelu)
      blocks.append(
        Block(attentionNorm: norm(), attention: attention, mixerNorm: norm(), mixer: network))
    }
    finalNorm = norm()
    if c.hasOwnHead == true {
      head = Linear(
        normalInputs: c.width, outputs: c.vocabularySize, standardDeviation: deviation,
        role: .outputHead, using: &generator)
    }
  }

  /// The parameter that makes logits.
  var headWeight: Parameter { head?.weight ?? tokenEmbedding.table }

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
    hidden(for: tokens, in: context).linear(weight: context.tape.variable(headWeight))
  }

  public func loss(inputs: [Int32], targets: [Int32], in context: ForwardContext) -> Variable {
    hidden(for: inputs, in: context).linearCrossEntropy(
      weight: context.tape.variable(headWeight), targets: targets)
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
    if head != nil { try head!.visitParameters(name.part("head"), visit) }
  }
}
