import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test(arguments: [4, 19]) func softmax(width: Int) {
  let check = GradientCheck([wave([3, width], scale: 3)]) { _, v in
    v[0].softmax()
  } reference: { v in
    Reference.softmax(v[0], width: width)
  }
  #expect(check.worst < 1e-4)
}
