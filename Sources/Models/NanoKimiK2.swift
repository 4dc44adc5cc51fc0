public import NanoAutograd
public import NanoLayers
public import NanoTensor

/// The architecture of Kimi K2 (and DeepSeek-V3) at nano sizes: RMSNorm, multi-head latent attention with
/// rotary positions, a dense SwiGLU network in the first layers, then sparse mixtures of SwiGLU experts.
public struct NanoKimiK2: LanguageModel {
  public static let identifier = "nanokimik2"
  public static let displayName = "NanoKimiK2"

  public typealias Block = DecoderBlock<RMSNorm, LatentAttention, Mixer>

  public let configuration: NanoKimiK2Configuration
  public var tokenEmbedding: Embedding
  public var blocks: [Block]
  public var finalNorm: RMSNorm
  /// Nil when the token embedding is the head.
  public var head: Linear?

  public init(
    _ configuration: NanoKimiK2Configuration, using generator: inout RandomGenerator
  ) throws(ConfigurationError) {
    try configuration.validate()
    let c = configuration
    self.configuration = c
    tokenEmbedding = Embedding(
      count: c.vocabularySize, width: c.width, standardDeviation: c.standardDeviation,
      using: &generator)
    blocks = []
    let rotary = c.attention.rotary
    for layer in 0..<c.layerCount {
      let attention = LatentAttention(
        c.attention, rotary: rotary, standardDeviation: c.standardDeviation, using: &generator)
      let mixer: Mixer =
        layer < c.denseLayerCount
        ? .dense(
          SwiGLUFeedForward(
            width: c.width, hiddenWidth: c.denseWidth, standardDeviation: c.standardDeviation,
            using: &generator))
        : .sparse(
          SparseMoELayer(c.mixture, standardDeviation: c.standardDeviation, using: &generator))
      blocks.append(
        Block(
          attentionNorm: RMSNorm(width: c.width, epsilon: c.normEpsilon), attention: attention,
          mixerNorm: RMSNorm(width: c.width, epsilon: c.normEpsilon), mixer: mixer))
    }
    finalNorm = RMSNorm(width: c.width, epsilon: c.normEpsilon)
    if !c.tiesHead {
      head = Linear(
        normalInputs: c.width, outputs: c.vocabularySize, standardDeviation: c.standardDeviation,
        role: .outputHead, using: &generator)
    }
  }

  /// The parameter that makes logits.
  var headWeight: Parameter { head?.weight ?? tokenEmbedding.table }

  /// The last hidden states, normalized.
  private func hidden(for tokens: [Int32], in context: ForwardContext) -> Variable {
    requireSequences(tokens, context)
    var hidden = context.dropped(tokenEmbedding(tokens, in: context))
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

  /// Moves the routers' selection biases, and clips queries and keys whose logits grew too large.
  public mutating func finishStep(_ statistics: ForwardStatistics, rules: StepRules) {
    var routing = statistics.routing.makeIterator()
    for index in blocks.indices {
      if let threshold = rules.queryKeyClip, index < statistics.attention.count {
        blocks[index].attention.clipQueryKey(
          largestLogits: statistics.attention[index].largestLogits, threshold: threshold)
      }
      if case .sparse = blocks[index].mixer, let seen = routing.next() {
        blocks[index].mixer.updateSelectionBiases(loads: seen.loads, rate: rules.selectionBiasRate)
      }
    }
  }

  public var activeParameterCount: Int {
    let mixture = configuration.mixture
    let idle = mixture.expertCount - mixture.chosenCount
    let sparseLayers = configuration.layerCount - configuration.denseLayerCount
    return parameterCount - sparseLayers * idle * 3 * mixture.expertWidth * mixture.modelWidth
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try tokenEmbedding.visitParameters(name.part("token_embedding"), visit)
    for index in blocks.indices {
      try blocks[index].visitParameters(name.part("blocks", index), visit)
    }
    try finalNorm.visitParameters(name.part("final_norm"), visit)
    if head != nil { try head!.visitParameters(name.part("head"), visit) }
  }
}

extension NanoKimiK2 {
  /// What follows the attention of a layer.
  public enum Mixer: Layer {
    case dense(SwiGLUFeedForward)
    case sparse(SparseMoELayer)

    public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
      switch self {
      case .dense(let network): network(input, in: context)
      case .sparse(let mixture): mixture(input, in: context)
      }
    }

    /// Moves the selection biases of a mixture in place.
    mutating func updateSelectionBiases(loads: [Int], rate: Float) {
      // Consuming the mixture keeps its biases unshared, so that they stay where a recorded step reads them.
      switch consume self {
      case .dense(let network): self = .dense(network)
      case .sparse(var mixture):
        mixture.updateSelectionBiases(loads: loads, rate: rate)
        self = .sparse(mixture)
      }
    }

    public mutating func visitParameters<E: Error>(
      _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
    ) throws(E) {
      switch self {
      case .dense(var network):
        try network.visitParameters(name, visit)
        self = .dense(network)
      case .sparse(var mixture):
        try mixture.visitParameters(name, visit)
        self = .sparse(mixture)
      }
    }
  }
}
