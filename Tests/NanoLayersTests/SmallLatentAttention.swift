import NanoAutograd
import NanoLayers
import NanoTensor

/// Three heads on rows of 16, for 12 positions.
func smallLatentAttention(queryRank: Int?, hasQueryKeyNorm: Bool = false) -> MultiHeadLatentAttention {
  var generator = RandomGenerator(seed: 3)
  return MultiHeadLatentAttention(
    width: 16,
    .init(
      headCount: 3, nopeWidth: 6, ropeWidth: 4, valueWidth: 5, keyValueRank: 8, queryRank: queryRank,
      hasQueryKeyNorm: hasQueryKeyNorm),
    rotary: RotaryEmbedding(width: 4, positionCount: 12), initialization: .normal(standardDeviation: 0.4),
    using: &generator)
}
