import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test(arguments: [6, 19]) func expertMixture(width: Int) {
  let inputs = [
    wave([5, 3 * 2 * width], scale: 2), wave([5, 3], frequency: 0.9),
    wave([3, 4, width], frequency: 1.9), wave([3, 4], frequency: 0.3),
  ]
  let check = GradientCheck(inputs) { _, v in
    v[0].expertMixture(gates: v[1], weight: v[2], bias: v[3])
  } reference: { v in
    Reference.mixture(
      Reference.swiGLU(v[0], width: width), v[1], v[2], v[3], experts: 3, inputs: width)
  }
  #expect(check.worst < 1e-4)
}
