import NanoAutograd
import NanoTensor
import NanoTestSupport
import Testing

private let halfPrecisions: [(Precision, HalfTensor.Format)] = [
  (.bfloat16, .bfloat16), (.float16, .float16),
]

private func rounded(_ tensor: Tensor, _ format: HalfTensor.Format) -> Tensor {
  HalfTensor(tensor, format: format).tensor
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

/// Norms give what they give in float32, rounded, recorded or not.
@Test(arguments: halfPrecisions, [true, false])
func normsRoundTheirResults(half: (Precision, HalfTensor.Format), recording: Bool) {
  func run(_ precision: Precision, _ norm: (Variable, Variable, Variable) -> Variable) -> Tensor {
    let tape = Tape(recording: recording, precision: precision)
    let inputs = [wave([4, 24]), wave([24], frequency: 0.3), wave([24], frequency: 0.6)]
    let v = inputs.map { tape.variable(Parameter($0, role: .gain)) }
    return norm(v[0], v[1], v[2]).value
  }
  let norms: [(Variable, Variable, Variable) -> Variable] = [
    { $0.layerNorm(gain: $1, bias: $2) }, { x, gain, _ in x.rmsNorm(gain: gain) },
  ]
  for norm in norms {
    #expect(run(half.0, norm).scalars == rounded(run(.float32, norm), half.1).scalars)
  }
}

/// A variable of 16 bits that products and elementwise operations read: its gradient is the sum of both kinds.
@Test(arguments: halfPrecisions)
func gradientsOfBothFormatsAddUp(precision: Precision, format: HalfTensor.Format) throws {
  let x = Parameter(wave([6, 16]), role: .gain)
  let gain = Parameter(wave([16], frequency: 0.3), role: .gain)
  let weight = Parameter(wave([16, 16], frequency: 1.1), role: .gain)
  func gradient(
    _ precision: Precision, _ body: (Variable, Variable) -> Variable
  ) throws -> Tensor {
    let tape = Tape(precision: precision)
    let normalized = tape.variable(x).rmsNorm(gain: tape.variable(gain))
    let output = body(normalized, tape.variable(weight))
    return try #require(
      tape.gradients(of: (output * tape.constant(wave(output.shape, phase: 0.5))).sum())[gain.id])
  }
  let tolerance = format == .bfloat16 ? 1e-2 : 1e-3
  let bodies: [(Variable, Variable) -> Variable] = [
    { $0 + $0.linear(weight: $1) }, { $0.linear(weight: $1) + $0 },
    { $0.linear(weight: $1) + $0.linear(weight: $1) },
  ]
  for body in bodies {
    let (half, whole) = (try gradient(precision, body), try gradient(.float32, body))
    #expect(relativeDifference(half.scalars, whole.scalars) < tolerance)
    #expect(half.scalars != whole.scalars)
  }
}
