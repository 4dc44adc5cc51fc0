public import NanoAutograd
public import NanoLayers
public import NanoTensor

/// A pre-norm transformer block: `x + attention(norm(x))`, then `x + feedForward(norm(x))`, with the context's dropout
/// on what is added. The feed-forward part may read its rows through a causal convolution.
public struct DecoderBlock: Layer {
  /// Before the attention.
  public var attentionNorm: Norm
  /// What mixes positions.
  public var attention: Attention
  /// Before the feed-forward part.
  public var feedForwardNorm: Norm
  /// Nil for none.
  public var convolution: CausalConvolution?
  /// What works on each position by itself.
  public var feedForward: FeedForward

  /// Given parts, all for rows as wide as the residual stream.
  public init(
    attentionNorm: Norm, attention: Attention, feedForwardNorm: Norm, convolution: CausalConvolution? = nil,
    feedForward: FeedForward
  ) {
    self.attentionNorm = attentionNorm
    self.attention = attention
    self.feedForwardNorm = feedForwardNorm
    self.convolution = convolution
    self.feedForward = feedForward
  }

  /// Fresh weights for a layer of a model.
  init(
    _ c: DecoderConfiguration, layer: Int, rotary: RotaryEmbedding?, using generator: inout RandomGenerator
  ) {
    let output: Initialization =
      switch (c.residualProjections, c.initialization) {
      case (.zero, _): .zero
      case (.scaled, .normal(let deviation)):
        .normal(standardDeviation: deviation / Float(2 * c.layerCount).squareRoot())
      case (.plain, _), (.scaled, _): c.initialization
      }
    self.init(
      attentionNorm: Norm(c), attention: Attention(c, output, rotary: rotary, using: &generator),
      feedForwardNorm: Norm(c),
      convolution: c.convolutionKernelSize > 1
        ? CausalConvolution(width: c.width, kernelSize: c.convolutionKernelSize) : nil,
      feedForward: FeedForward(c, output, layer: layer, using: &generator))
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    let (attended, hidden) = attended(input, in: context)
    return attended + context.dropped(feedForward(hidden, in: context))
  }

  /// The stream after the attention, and what the feed-forward part reads of it.
  func attended(_ input: Variable, in context: ForwardContext) -> (stream: Variable, hidden: Variable) {
    let stream = input + context.dropped(attention(attentionNorm(input, in: context), in: context))
    let hidden = feedForwardNorm(stream, in: context)
    return (stream, convolution?(hidden, in: context) ?? hidden)
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try attentionNorm.visitParameters(name.part("attention_norm"), visit)
    try attention.visitParameters(name.part("attention"), visit)
    // The feed-forward part is called mixer in files.
    try feedForwardNorm.visitParameters(name.part("mixer_norm"), visit)
    if convolution != nil { try convolution!.visitParameters(name.part("convolution"), visit) }
    try feedForward.visitParameters(name.part("mixer"), visit)
  }
}

// MARK: Norm

extension DecoderBlock {
  /// The norm of a block.
  public enum Norm: Layer {
    case layerNorm(LayerNorm)
    case rmsNorm(RMSNorm)

    init(_ c: DecoderConfiguration) {
      switch c.norm {
      case .layerNorm(let epsilon): self = .layerNorm(LayerNorm(width: c.width, epsilon: epsilon))
      case .rmsNorm(let epsilon): self = .rmsNorm(RMSNorm(width: c.width, epsilon: epsilon))
      }
    }

    public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
      switch self {
      case .layerNorm(let norm): norm(input, in: context)
      case .rmsNorm(let norm): norm(input, in: context)
      }
    }

    public mutating func visitParameters<E: Error>(
      _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
    ) throws(E) {
      // Taken out of the enum, so that parameters that change are not shared with it.
      switch consume self {
      case .layerNorm(var norm):
        defer { self = .layerNorm(norm) }
        try norm.visitParameters(name, visit)
      case .rmsNorm(var norm):
        defer { self = .rmsNorm(norm) }
        try norm.visitParameters(name, visit)
      }
    }
  }
}

// MARK: Attention

extension DecoderBlock {
  /// The attention of a block.
  public enum Attention: Layer {
    case multiHead(MultiHeadAttention)
    case latent(MultiHeadLatentAttention)

    init(
      _ c: DecoderConfiguration, _ output: Initialization, rotary: RotaryEmbedding?,
      using generator: inout RandomGenerator
    ) {
      switch c.attention {
      case .multiHead(let heads):
        self = .multiHead(
          MultiHeadAttention(
            width: c.width, heads, rotary: rotary, initialization: c.initialization, outputInitialization: output,
            using: &generator))
      case .latent(let heads):
        self = .latent(
          MultiHeadLatentAttention(
            width: c.width, heads,
            rotary: rotary ?? .none(width: heads.ropeWidth, positionCount: c.contextLength),
            initialization: c.initialization, outputInitialization: output, using: &generator))
      }
    }

    public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
      switch self {
      case .multiHead(let attention): attention(input, in: context)
      case .latent(let attention): attention(input, in: context)
      }
    }

    mutating func clipQueryKey(largestLogits: [Float], threshold: Float) {
      // Consuming the layer keeps its weights unshared, so that they stay where a recorded step reads them.
      switch consume self {
      case .multiHead(var attention):
        attention.clipQueryKey(largestLogits: largestLogits, threshold: threshold)
        self = .multiHead(attention)
      case .latent(var attention):
        attention.clipQueryKey(largestLogits: largestLogits, threshold: threshold)
        self = .latent(attention)
      }
    }

    public mutating func visitParameters<E: Error>(
      _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
    ) throws(E) {
      // Taken out of the enum, so that parameters that change are not shared with it.
      switch consume self {
      case .multiHead(var attention):
        defer { self = .multiHead(attention) }
        try attention.visitParameters(name, visit)
      case .latent(var attention):
        defer { self = .latent(attention) }
        try attention.visitParameters(name, visit)
      }
    }
  }
}

// MARK: Feed-forward

extension DecoderBlock {
  /// The feed-forward part of a block.
  public enum FeedForward: Layer {
    case mlp(MLP)
    case swiGLU(SwiGLU)
    case denseMoE(DenseMoE)
    case sparseMoE(SparseMoE)

    init(
      _ c: DecoderConfiguration, _ output: Initialization, layer: Int, using generator: inout RandomGenerator
    ) {
      func swiGLU(_ width: Int, hasBias: Bool) -> FeedForward {
        .swiGLU(
          SwiGLU(
            width: c.width, hiddenWidth: width, hasBias: hasBias, initialization: c.initialization,
            outputInitialization: output, using: &generator))
      }
      switch c.feedForward {
      case .mlp(let width, let activation, let hasBias):
        self = .mlp(
          MLP(
            width: c.width, hiddenWidth: width, activation: activation, hasBias: hasBias,
            initialization: c.initialization, outputInitialization: output, using: &generator))
      case .swiGLU(let width, let hasBias): self = swiGLU(width, hasBias: hasBias)
      case .denseMoE(let experts):
        self = .denseMoE(
          DenseMoE(
            width: c.width, experts, initialization: c.initialization, outputInitialization: output,
            using: &generator))
      case .sparseMoE(_, let denseLayerCount, let denseWidth) where layer < denseLayerCount:
        self = swiGLU(denseWidth, hasBias: false)
      case .sparseMoE(let experts, _, _):
        self = .sparseMoE(
          SparseMoE(
            width: c.width, experts, initialization: c.initialization, outputInitialization: output,
            using: &generator))
      }
    }

    public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
      switch self {
      case .mlp(let network): network(input, in: context)
      case .swiGLU(let network): network(input, in: context)
      case .denseMoE(let mixture): mixture(input, in: context)
      case .sparseMoE(let mixture): mixture(input, in: context)
      }
    }

    /// Moves the selection biases of a sparse mixture in place.
    mutating func updateSelectionBiases(loads: [Int], rate: Float) {
      // Consuming the mixture keeps its biases unshared, so that they stay where a recorded step reads them.
      switch consume self {
      case .sparseMoE(var mixture):
        mixture.updateSelectionBiases(loads: loads, rate: rate)
        self = .sparseMoE(mixture)
      // One name for all others would share what the switch holds.
      case .mlp(let network): self = .mlp(network)
      case .swiGLU(let network): self = .swiGLU(network)
      case .denseMoE(let mixture): self = .denseMoE(mixture)
      }
    }

    public mutating func visitParameters<E: Error>(
      _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
    ) throws(E) {
      // Taken out of the enum, so that parameters that change are not shared with it.
      switch consume self {
      case .mlp(var network):
        defer { self = .mlp(network) }
        try network.visitParameters(name, visit)
      case .swiGLU(var network):
        defer { self = .swiGLU(network) }
        try network.visitParameters(name, visit)
      case .denseMoE(var mixture):
        defer { self = .denseMoE(mixture) }
        try mixture.visitParameters(name, visit)
      case .sparseMoE(var mixture):
        defer { self = .sparseMoE(mixture) }
        try mixture.visitParameters(name, visit)
      }
    }
  }
}
