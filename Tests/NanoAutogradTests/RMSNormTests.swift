import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func rmsNorm() {
  let check = GradientCheck([wave([5, 19]), wave([19], frequency: 0.3, phase: 1)]) { _, v in
    v[0].rmsNorm(gain: v[1], epsilon: 1e-3)
  } reference: { x in
    (0..<5).flatMap { row -> [Double] in
      let values = x[0][row * 19..<row * 19 + 19]
      let root = (values.reduce(0) { $0 + $1 * $1 } / 19 + 1e-3).squareRoot()
      return zip(values, x[1]).map { $0 / root * $1 }
    }
  }
  #expect(check.worst < 2e-4)
}
