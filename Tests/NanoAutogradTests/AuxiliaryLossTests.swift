import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func auxiliaryLossesTakePartWithTheirCoefficient() {
  let parameter = Parameter(wave([3]), role: .gain)
  let tape = Tape()
  let x = tape.variable(parameter)
  let main = x.withAuxiliaryLoss((x * x).sum(), coefficient: 0.25).sum()
  let gradient = tape.gradients(of: main, seed: 2)[parameter.id]!.scalars
  let expected = parameter.value.scalars.map { 2 * (1 + 0.25 * 2 * $0) }
  #expect(main.value.scalar == Float(parameter.value.sum))
  #expect(relativeDifference(gradient, expected) < 1e-6)
}
