import NanoAutograd
import NanoLayers
import NanoTensor
import TensorTestSupport
import Testing

@Test(arguments: [nil, 7])
func queryKeyClipLandsOnTheThreshold(queryRank: Int?) {
  var layer = smallLatentAttention(queryRank: queryRank)
  let input = wave([24, 16], frequency: 1.7, scale: 2)
  let before = largestLogits(layer, input)
  let threshold = before.sorted()[1] * 0.999  // two heads are above it, one is not
  #expect(layer.clipQueryKey(largestLogits: before, threshold: threshold) == 2)
  checkClipped(largestLogits(layer, input), before: before, threshold: threshold)
}

@Test func queryKeyClipLandsOnTheThresholdWithoutLatents() {
  var generator = RandomGenerator(seed: 3)
  var layer = MultiHeadAttention(
    headCount: 3,
    queryKeyValue: Linear(inputs: 12, outputs: 36, using: &generator),
    projection: Linear(inputs: 12, outputs: 12, using: &generator))
  let input = wave([24, 12], frequency: 1.7, scale: 5)
  let (before, values) = (largestLogits(layer, input), layer.queryKeyValue.weight.value.scalars[288...])
  let threshold = before.sorted()[1] * 0.999  // two heads are above it, one is not
  #expect(layer.clipQueryKey(largestLogits: before, threshold: threshold) == 2)
  checkClipped(largestLogits(layer, input), before: before, threshold: threshold)
  #expect(layer.queryKeyValue.weight.value.scalars[288...] == values)
}

private func largestLogits(_ layer: some Layer, _ input: Tensor) -> [Float] {
  let recorder = StatisticsRecorder()
  let tape = Tape(recording: false)
  _ = layer(
    tape.constant(input), in: ForwardContext(tape: tape, sequenceLength: 12, recorder: recorder))
  return recorder.statistics.attention[0].largestLogits
}

/// Heads above the threshold land on it, the others stay.
private func checkClipped(_ after: [Float], before: [Float], threshold: Float) {
  for (head, logit) in before.enumerated() {
    let expected = min(logit, threshold)
    #expect(abs(after[head] - expected) < 1e-4 * expected, "head \(head)")
  }
}
