import NanoAutograd
import NanoLayers
import NanoTensor
import NanoTestSupport
import Testing

private func latentAttention(queryRank: Int?) -> LatentAttention {
  var generator = RandomGenerator(seed: 3)
  return LatentAttention(
    .init(
      width: 16, headCount: 3, positionFreeWidth: 6, rotaryWidth: 4, valueWidth: 5, keyValueRank: 8,
      queryRank: queryRank, contextLength: 12),
    standardDeviation: 0.4, using: &generator)
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

@Test(arguments: [nil, 7])
func queryKeyClipLandsOnTheThreshold(queryRank: Int?) {
  var layer = latentAttention(queryRank: queryRank)
  let input = wave([24, 16], frequency: 1.7, scale: 2)
  let before = largestLogits(layer, input)
  let threshold = before.sorted()[1] * 0.999  // two heads are above it, one is not
  #expect(layer.clipQueryKey(largestLogits: before, threshold: threshold) == 2)
  checkClipped(largestLogits(layer, input), before: before, threshold: threshold)
}

@Test func queryKeyClipLandsOnTheThresholdWithoutLatents() {
  var generator = RandomGenerator(seed: 3)
  var layer = CausalSelfAttention(
    .init(width: 12, headCount: 3),
    queryKeyValue: Linear(inputs: 12, outputs: 36, using: &generator),
    projection: Linear(inputs: 12, outputs: 12, using: &generator))
  let input = wave([24, 12], frequency: 1.7, scale: 5)
  let (before, values) = (largestLogits(layer, input), layer.queryKeyValue.weight.value.scalars[288...])
  let threshold = before.sorted()[1] * 0.999  // two heads are above it, one is not
  #expect(layer.clipQueryKey(largestLogits: before, threshold: threshold) == 2)
  checkClipped(largestLogits(layer, input), before: before, threshold: threshold)
  #expect(layer.queryKeyValue.weight.value.scalars[288...] == values)
}

@Test(arguments: [nil, 7])
func absorbedDecodingEqualsTheExpandedForm(queryRank: Int?) {
  let layer = latentAttention(queryRank: queryRank)
  let input = wave([12, 16], frequency: 1.7)
  let tape = Tape(recording: false)
  let expanded = layer(tape.constant(input), in: ForwardContext(tape: tape, sequenceLength: 12)).value
  var cache = LatentCache(layer.configuration)
  var absorbed: [Float] = []
  for row in 0..<12 {
    let x = Tensor(Array(input.scalars[row * 16..<(row + 1) * 16]), shape: [1, 16])
    absorbed +=
      layer.decode(
        tape.constant(x), cache: &cache, in: ForwardContext(tape: tape, sequenceLength: 1)
      ).value.scalars
  }
  #expect(cache.count == 12)
  #expect(relativeDifference(absorbed, expanded.scalars) < 1e-5)
}

@Test func cachedAttentionEqualsTheWhole() {
  var generator = RandomGenerator(seed: 4)
  let layer = CausalSelfAttention(.init(width: 12, headCount: 3), using: &generator)
  let input = wave([7, 12], frequency: 1.7)
  let tape = Tape(recording: false)
  let whole = layer(tape.constant(input), in: ForwardContext(tape: tape, sequenceLength: 7)).value
  var cache = KeyValueCache(width: 12, contextLength: 7)
  var cached: [Float] = []
  for row in 0..<7 {
    let x = Tensor(Array(input.scalars[row * 12..<(row + 1) * 12]), shape: [1, 12])
    cached +=
      layer.decode(
        tape.constant(x), cache: &cache, in: ForwardContext(tape: tape, sequenceLength: 1)
      ).value.scalars
  }
  #expect(relativeDifference(cached, whole.scalars) < 1e-5)
}

@Test func selectionBiasesBalanceASkewedStream() {
  var generator = RandomGenerator(seed: 5)
  var layer = SparseMoELayer(
    .init(modelWidth: 8, expertWidth: 4, expertCount: 8, chosenCount: 2), standardDeviation: 0.3,
    using: &generator)
  // All rows point about the same way, so the router prefers the same experts for all.
  func loads() -> RoutingStatistics {
    let rows = Tensor(normal: [256, 8], standardDeviation: 0.7, using: &generator)
    let skew = Tensor((0..<256 * 8).map { Float($0 % 8) * 0.5 }, shape: [256, 8])
    let recorder = StatisticsRecorder()
    let tape = Tape(recording: false)
    _ = layer(
      tape.constant(rows + skew),
      in: ForwardContext(tape: tape, sequenceLength: 256, recorder: recorder))
    return recorder.statistics.routing[0]
  }
  let before = loads()
  #expect(before.maximalViolation > 1)
  for _ in 0..<400 { layer.updateSelectionBiases(loads: loads().loads, rate: 0.01) }
  let after = (0..<10).map { _ in loads().maximalViolation }.reduce(0, +) / 10
  #expect(after < 0.3)
  let biases = layer.selectionBiases.value
  #expect(abs(biases.sum) < 1e-3, "biases must not drift together")
}

@Test func sharedExpertsAreAdded() {
  var generator = RandomGenerator(seed: 6)
  var layer = SparseMoELayer(
    .init(modelWidth: 6, expertWidth: 4, expertCount: 3, chosenCount: 1), using: &generator)
  let input = wave([5, 6])
  func output(_ layer: SparseMoELayer) -> Tensor {
    let tape = Tape(recording: false)
    return layer(tape.constant(input), in: ForwardContext(tape: tape, sequenceLength: 5)).value
  }
  let whole = output(layer)
  let shared = layer.shared!
  layer.shared = nil
  let tape = Tape(recording: false)
  let alone = shared(tape.constant(input), in: ForwardContext(tape: tape, sequenceLength: 5)).value
  #expect(relativeDifference((output(layer) + alone).scalars, whole.scalars) < 1e-6)
}

@Test func statisticsOfPartsMergeToThoseOfTheWhole() {
  var generator = RandomGenerator(seed: 7)
  let layer = SparseMoELayer(
    .init(
      modelWidth: 6, expertWidth: 4, expertCount: 4, chosenCount: 2, balanceLossCoefficient: 1,
      zLossCoefficient: 1), standardDeviation: 1, using: &generator)
  func statistics(_ rows: Range<Int>) -> ForwardStatistics {
    let input = Tensor(
      Array(wave([8, 6], frequency: 2.1).scalars[rows.lowerBound * 6..<rows.upperBound * 6]),
      shape: [rows.count, 6])
    let recorder = StatisticsRecorder()
    let tape = Tape(recording: false)
    _ = layer(
      tape.constant(input), in: ForwardContext(tape: tape, sequenceLength: 4, recorder: recorder))
    return recorder.statistics
  }
  var merged = statistics(0..<4)
  merged.merge(statistics(4..<8))
  let (whole, parts) = (statistics(0..<8).routing[0], merged.routing[0])
  #expect(whole.loads == parts.loads && whole.rowCount == parts.rowCount)
  #expect(abs(whole.routerEntropy - parts.routerEntropy) < 1e-6)
  #expect(abs(whole.balanceLoss - parts.balanceLoss) < 1e-5)
  #expect(abs(whole.zLoss - parts.zLoss) < 1e-5)
  #expect(whole.largestLogit == parts.largestLogit)
}
