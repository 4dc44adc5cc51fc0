import NanoAutograd
import NanoLayers
import NanoTensor
import TensorTestSupport
import Testing

@Test func selectionBiasesBalanceASkewedStream() {
  var generator = RandomGenerator(seed: 5)
  var layer = SparseMoE(
    width: 8, .init(expertCount: 8, topK: 2, expertWidth: 4), initialization: .normal(standardDeviation: 0.3),
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
  var layer = SparseMoE(
    width: 6, .init(expertCount: 3, topK: 1, expertWidth: 4), using: &generator)
  let input = wave([5, 6])
  func output(_ layer: SparseMoE) -> Tensor {
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
