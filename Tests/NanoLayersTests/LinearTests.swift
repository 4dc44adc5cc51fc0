import AutogradTestSupport
import NanoLayers
import NanoTensor
import TensorTestSupport
import Testing

@Test func linearLayer() {
  var generator = RandomGenerator(seed: 1)
  let layer = Linear(inputs: 6, outputs: 9, using: &generator)
  let worst = worstDifference(layer, input: wave([4, 6]), sequenceLength: 4) { x, p in
    Reference.linear(x, p[0], p[1], inputs: 6)
  }
  #expect(worst < 1e-4)
}
