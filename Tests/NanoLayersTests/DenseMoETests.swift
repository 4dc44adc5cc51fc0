import NanoAutograd
import NanoLayers
import NanoTensor
import TensorTestSupport
import Testing

@Test func mixtureLayer() {
  var generator = RandomGenerator(seed: 4)
  let layer = DenseMoE(width: 6, .init(expertCount: 3, expertWidth: 5), using: &generator)
  #expect(worstDifference(layer, input: wave([4, 6]), sequenceLength: 4, reference: referenceMixture) < 1e-4)
}

@Test func gateProbabilitiesSumToOne() {
  var generator = RandomGenerator(seed: 4)
  let layer = DenseMoE(width: 6, .init(expertCount: 3, expertWidth: 5), using: &generator)
  let tape = Tape(recording: false)
  let gates = layer.gateProbabilities(
    tape.constant(wave([4, 6])), in: ForwardContext(tape: tape, sequenceLength: 4)
  ).value.scalars
  for row in 0..<4 { #expect(abs(gates[row * 3..<row * 3 + 3].reduce(0, +) - 1) < 1e-6) }
}
