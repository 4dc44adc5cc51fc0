import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func relu() {
  let check = GradientCheck([wave([5, 9])]) { _, v in
    v[0].relu()
  } reference: { v in
    v[0].map { max($0, 0) }
  }
  #expect(check.worst < 1e-4)
}
