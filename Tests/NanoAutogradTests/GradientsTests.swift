import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

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
