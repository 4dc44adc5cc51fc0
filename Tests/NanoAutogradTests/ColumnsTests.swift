import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func columnsOfRows() {
  let check = GradientCheck([wave([4, 7])]) { _, v in
    v[0].columns(2..<5)
  } reference: { x in
    (0..<4).flatMap { row in (2..<5).map { x[0][row * 7 + $0] } }
  }
  #expect(check.worst < 1e-4)
}
