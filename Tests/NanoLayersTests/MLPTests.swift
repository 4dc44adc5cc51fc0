import AutogradTestSupport
import NanoLayers
import NanoTensor
import TensorTestSupport
import Testing

@Test func mlpLayer() {
  var generator = RandomGenerator(seed: 2)
  let layer = MLP(width: 6, hiddenWidth: 24, using: &generator)
  let worst = worstDifference(layer, input: wave([4, 6]), sequenceLength: 4) { x, p in
    let hidden = Reference.linear(x, p[0], p[1], inputs: 6).map { max($0, 0) }
    return Reference.linear(hidden, p[2], p[3], inputs: 24)
  }
  #expect(worst < 1e-4)
}

@Test func mlpWithOwnFunction() {
  var generator = RandomGenerator(seed: 2)
  let layer = MLP(
    up: Linear(inputs: 6, outputs: 8, using: &generator), down: Linear(inputs: 8, outputs: 6, using: &generator),
    activation: { $0.silu() })
  let worst = worstDifference(layer, input: wave([4, 6]), sequenceLength: 4) { x, p in
    let hidden = Reference.linear(x, p[0], p[1], inputs: 6).map(Reference.silu)
    return Reference.linear(hidden, p[2], p[3], inputs: 8)
  }
  #expect(worst < 1e-4)
}
