import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test(arguments: [5, 38]) func swiGLU(width: Int) {
  let check = GradientCheck([wave([4, 2 * width], scale: 3)]) { _, v in
    v[0].swiGLU()
  } reference: { v in
    Reference.swiGLU(v[0], width: width)
  }
  #expect(check.worst < 1e-4)
}
