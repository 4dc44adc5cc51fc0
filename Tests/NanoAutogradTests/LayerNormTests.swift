import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test(arguments: [5, 16, 37]) func layerNorm(width: Int) {
  let inputs = [wave([4, width]), wave([width], frequency: 0.3), wave([width], frequency: 1.3)]
  let check = GradientCheck(inputs) { _, v in
    v[0].layerNorm(gain: v[1], bias: v[2])
  } reference: { v in
    Reference.layerNorm(v[0], v[1], v[2])
  }
  #expect(check.worst < 5e-4)
}
