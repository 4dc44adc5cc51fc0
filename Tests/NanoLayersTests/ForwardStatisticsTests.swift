import NanoAutograd
import NanoLayers
import NanoTensor
import TensorTestSupport
import Testing

@Test func statisticsOfPartsMergeToThoseOfTheWhole() {
  var generator = RandomGenerator(seed: 7)
  let layer = SparseMoE(
    width: 6,
    .init(
      expertCount: 4, topK: 2, expertWidth: 4, balanceLossCoefficient: 1,
      zLossCoefficient: 1), initialization: .normal(standardDeviation: 1), using: &generator)
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

/// What layers from outside report.
@Test func layersMayReportWhatTheyKnow() {
  let recorder = StatisticsRecorder()
  let routing = RoutingStatistics(
    loads: [3, 1], rowCount: 4, entropySum: 2, largestLogit: 5, balanceLossSum: 8, zLossSum: 12)
  recorder.record(largestLogits: Tensor([1, 7], shape: [2]))
  recorder.record(routing)
  #expect(recorder.statistics.attention == [AttentionStatistics(largestLogits: [1, 7])])
  #expect(recorder.statistics.routing == [routing])
}
