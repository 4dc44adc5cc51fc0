import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func linear() {
  let inputs = [wave([6, 10]), wave([17, 10], frequency: 1.7), wave([17], frequency: 0.4)]
  let check = GradientCheck(inputs) { _, v in
    v[0].linear(weight: v[1], bias: v[2])
  } reference: { v in
    Reference.linear(v[0], v[1], v[2], inputs: 10)
  }
  #expect(check.worst < 1e-4)
}

/// A result rounded to 16 bits is the result, rounded; so is the gradient that comes back for it.
@Test(arguments: halfPrecisions)
func linearRoundsItsResult(precision: Precision, format: HalfTensor.Format) throws {
  let x = Parameter(wave([5, 40]), role: .gain)
  let weight = Parameter(wave([20, 40], frequency: 1.1), role: .gain)
  let second = Parameter(wave([30, 20], frequency: 0.8), role: .gain)
  let cotangent = wave([5, 30], frequency: 1.3, phase: 0.5)
  func run(rounding: Bool) -> (hidden: Tensor, gradients: Gradients) {
    let tape = Tape(precision: precision)
    let hidden = tape.variable(x).linear(weight: tape.variable(weight), roundingResult: rounding)
    let output = hidden.linear(weight: tape.variable(second))
    return (hidden.value, tape.gradients(of: (output * tape.constant(cotangent)).sum()))
  }
  let (whole, half) = (run(rounding: false), run(rounding: true))
  #expect(half.hidden.scalars == rounded(whole.hidden, format).scalars)
  #expect(half.hidden.scalars != whole.hidden.scalars)
  // Products round what they read anyway: no gradient can differ.
  for parameter in [x, weight, second] {
    let gradient = try #require(half.gradients[parameter.id])
    #expect(gradient.scalars == whole.gradients[parameter.id]?.scalars)
  }
}

@Test func float32RoundsNothing() {
  let tape = Tape(recording: false)
  let (x, weight) = (tape.constant(wave([5, 40])), tape.constant(wave([20, 40], frequency: 1.1)))
  let exact = x.linear(weight: weight).value
  #expect(x.linear(weight: weight, roundingResult: true).value.scalars == exact.scalars)
}
