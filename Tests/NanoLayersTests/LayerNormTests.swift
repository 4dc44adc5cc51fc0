import AutogradTestSupport
import NanoLayers
import NanoTensor
import TensorTestSupport
import Testing

@Test func layerNormLayer() {
  let worst = worstDifference(LayerNorm(width: 8), input: wave([3, 8]), sequenceLength: 3) { x, p in
    Reference.layerNorm(x, p[0], p[1])
  }
  #expect(worst < 1e-4)
}
