import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

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
