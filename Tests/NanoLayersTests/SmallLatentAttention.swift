import NanoLayers
import NanoTensor

func latentAttention(queryRank: Int?) -> LatentAttention {
  var generator = RandomGenerator(seed: 3)
  return LatentAttention(
    .init(
      width: 16, headCount: 3, positionFreeWidth: 6, rotaryWidth: 4, valueWidth: 5, keyValueRank: 8,
      queryRank: queryRank, contextLength: 12),
    standardDeviation: 0.4, using: &generator)
}
