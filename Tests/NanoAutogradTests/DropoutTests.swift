import NanoAutograd
import NanoTensor
import Testing

@Test func dropoutKeepsTheMeanAndMasksTheGradient() {
  let parameter = Parameter(Tensor(repeating: 1, shape: [64, 100]), role: .gain)
  var dropout = Dropout(rate: 0.25, generator: RandomGenerator(seed: 1), firstSequence: 3)
  let tape = Tape()
  let output = dropout(tape.variable(parameter), sequenceLength: 16)
  let values = output.value.scalars
  let zeros = values.count { $0 == 0 }
  #expect(abs(Double(zeros) / 6_400 - 0.25) < 0.03)
  #expect(values.allSatisfy { $0 == 0 || abs($0 - 4.0 / 3) < 1e-6 })
  #expect(tape.gradients(of: output.sum())[parameter.id]?.scalars == values)
  // The second half of the sequences alone has the second half of the mask.
  var half = Dropout(rate: 0.25, generator: RandomGenerator(seed: 1), firstSequence: 5)
  let other = Tape(recording: false)
  let part = half(other.constant(Tensor(repeating: 1, shape: [32, 100])), sequenceLength: 16)
  #expect(part.value.scalars == Array(values.suffix(3_200)))
}
