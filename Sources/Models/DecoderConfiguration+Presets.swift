internal import NanoAutograd
public import NanoLayers

extension DecoderConfiguration {
  /// The character study's baseline: learned positions, multi-head attention without biases on queries, keys and
  /// values, a ReLU network of four times the width, a head of its own, PyTorch's initialization.
  public static func nanoGPT(
    vocabularySize: Int, contextLength: Int = 32, width: Int = 64, layerCount: Int = 4, headCount: Int = 4,
    attentionScale: MultiHeadAttention.Configuration.Scale = .modelWidth
  ) -> DecoderConfiguration {
    DecoderConfiguration(
      vocabularySize: vocabularySize, contextLength: contextLength, width: width, layerCount: layerCount,
      attention: .multiHead(.init(headCount: headCount, scale: attentionScale, splitsHeads: true)),
      feedForward: .mlp(width: 4 * width, activation: .relu, hasBias: true), initialization: .pyTorch,
      head: .own(hasBias: true))
  }

  /// The character study's challenger: the same with every feed-forward network replaced by a dense mixture of SwiGLU
  /// experts as wide as the model.
  public static func nanoKimi(
    vocabularySize: Int, contextLength: Int = 32, width: Int = 64, layerCount: Int = 4, headCount: Int = 4,
    expertCount: Int = 4, attentionScale: MultiHeadAttention.Configuration.Scale = .modelWidth
  ) -> DecoderConfiguration {
    var configuration = nanoGPT(
      vocabularySize: vocabularySize, contextLength: contextLength, width: width, layerCount: layerCount,
      headCount: headCount, attentionScale: attentionScale)
    configuration.feedForward = .denseMoE(experts: .init(expertCount: expertCount, expertWidth: width))
    return configuration
  }

  /// The strongest model of as many parameters as NanoKimi that was found: RMSNorm, rotary positions, QK-norm, no
  /// biases, residual projections that begin at zero, a dense mixture behind a convolution over two positions, and the
  /// embedding of the previous token.
  public static func nanoBest(vocabularySize: Int, contextLength: Int = 32) -> DecoderConfiguration {
    DecoderConfiguration(
      vocabularySize: vocabularySize, contextLength: contextLength, width: 64, layerCount: 4, positions: .rotary(),
      hasPreviousTokenEmbedding: true, norm: .rmsNorm(epsilon: 1e-6),
      attention: .multiHead(
        .init(headCount: 4, scale: .factor(0.6), hasQueryKeyNorm: true, hasProjectionBias: false)),
      convolutionKernelSize: 2, feedForward: .denseMoE(experts: .init(expertCount: 4, expertWidth: 64, hasBias: false)),
      initialization: .pyTorch, residualProjections: .zero, head: .own(hasBias: false))
  }

  /// GPT-2's architecture as karpathy/nanoGPT trains it: learned positions, exact GELU, biases on all maps, the head
  /// tied to the token embedding, weights N(0, 0.02), residual projections scaled.
  public static func nanoGPT2(
    vocabularySize: Int, contextLength: Int, width: Int, layerCount: Int, headCount: Int
  ) -> DecoderConfiguration {
    DecoderConfiguration(
      vocabularySize: vocabularySize, contextLength: contextLength, width: width, layerCount: layerCount,
      attention: .multiHead(.init(headCount: headCount, hasQueryKeyValueBias: true)),
      feedForward: .mlp(width: 4 * width, activation: .gelu, hasBias: true), residualProjections: .scaled)
  }

  /// The architecture of Kimi K2 and DeepSeek-V3 at nano sizes: RMSNorm, latent attention with rotary positions, a
  /// dense SwiGLU network in the first layer, then sparse mixtures of SwiGLU experts with one shared expert.
  public static func nanoKimiK2(
    size: FamilySize, vocabularySize: Int, contextLength: Int
  ) -> DecoderConfiguration {
    let row = size.row
    return DecoderConfiguration(
      vocabularySize: vocabularySize, contextLength: contextLength, width: row.width, layerCount: row.layers,
      positions: .rotary(), norm: .rmsNorm(epsilon: 1e-6),
      attention: .latent(
        .init(
          headCount: row.heads, nopeWidth: row.nope, ropeWidth: row.rope, valueWidth: row.nope,
          keyValueRank: row.rank, queryRank: row.queryRank)),
      feedForward: .sparseMoE(
        experts: .init(expertCount: row.experts, topK: row.topK, expertWidth: row.expertWidth, scale: row.scale),
        denseLayerCount: 1, denseWidth: row.denseWidth))
  }

  /// A GPT-2 of the same width, layers and heads as another model: of a NanoKimiK2 it has about the active parameters.
  public static func nanoGPT2(besides other: DecoderConfiguration) -> DecoderConfiguration {
    nanoGPT2(
      vocabularySize: other.vocabularySize, contextLength: other.contextLength, width: other.width,
      layerCount: other.layerCount, headCount: other.headCount)
  }

  /// The same with so many layers that it has about as many parameters, norms left out, as the other in total.
  public func matchingParameters(of other: DecoderConfiguration) -> DecoderConfiguration {
    var deeper = self
    let perLayer = 12 * width * width
    let embeddings = (vocabularySize + contextLength) * width
    deeper.layerCount = max(1, (other.parameterCountWithoutNorms - embeddings + perLayer / 2) / perLayer)
    return deeper
  }
}

/// A size of the family, named after NanoKimiK2's total parameters at 4,096 tokens (0.3M: at 65).
public enum FamilySize: String, CaseIterable, Hashable, Sendable, Codable {
  case tiny = "0.3M"
  case small = "3M"
  case medium = "10M"
  case large = "30M"

  /// Value and nope widths are equal, the experts' scale λ ≈ √k.
  fileprivate var row: Row {
    switch self {
    case .tiny:
      Row(
        width: 64, layers: 4, heads: 4, nope: 16, rope: 8, rank: 32, queryRank: nil, experts: 8, topK: 2,
        expertWidth: 40, denseWidth: 120, scale: 1.41)
    case .small:
      Row(
        width: 128, layers: 6, heads: 4, nope: 32, rope: 16, rank: 64, queryRank: nil, experts: 16, topK: 2,
        expertWidth: 80, denseWidth: 240, scale: 1.41)
    case .medium:
      Row(
        width: 192, layers: 8, heads: 6, nope: 32, rope: 16, rank: 96, queryRank: nil, experts: 16, topK: 4,
        expertWidth: 112, denseWidth: 560, scale: 2)
    case .large:
      Row(
        width: 256, layers: 10, heads: 8, nope: 32, rope: 16, rank: 128, queryRank: 192, experts: 32, topK: 4,
        expertWidth: 112, denseWidth: 560, scale: 2)
    }
  }

  fileprivate struct Row {
    let width, layers, heads, nope, rope, rank: Int
    let queryRank: Int?
    let experts, topK, expertWidth, denseWidth: Int
    let scale: Float
  }
}
