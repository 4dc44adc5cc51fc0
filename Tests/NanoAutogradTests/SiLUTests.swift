import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func silu() {
  let check = GradientCheck([wave([5, 9], scale: 4)]) { _, v in
    v[0].silu()
  } reference: { v in
    v[0].map(Reference.silu)
  }
  #expect(check.worst < 1e-4)
}
