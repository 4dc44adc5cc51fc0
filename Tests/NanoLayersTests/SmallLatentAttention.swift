import NanoLayers
import NanoTensor

/// Three heads on rows of 16, for 12 positions.
func smallLatentAttention(queryRank: Int?) -> LatentAttention {
  var generator = RandomGenerator(seed: 3)
  return LatentAttention(
    .init(
      width: 16, headCount: 3, positionFreeWidth: 6, rotaryWidth: 4, valueWidth: 5, keyValueRank: 8,
      queryRank: queryRank, contextLength: 12),
    standardDeviation: 0.4, using: &generator)
}
