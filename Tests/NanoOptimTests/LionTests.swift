import NanoOptim
import NanoTensor
import TensorTestSupport
import Testing

/// The paper's algorithm written out in Double, beside ten steps on arrays.
@Test func lionMatchesItsPaper() {
  let (rate, beta1, beta2, decay, count) = (0.03, 0.8, 0.95, 0.1, 12)
  let rule = Lion(
    learningRate: Float(rate), beta1: Float(beta1), beta2: Float(beta2), weightDecay: Float(decay))
  let description = ParameterDescription(name: "w", shape: .matrix(outputs: 3, inputs: 4))
  var (values, state) = (wave([count]).scalars, rule.makeState(for: description))
  var (weights, momentum) = (values.map(Double.init), [Double](repeating: 0, count: count))
  for step in 0..<10 {
    let gradient = wave([count], frequency: 1.3 + 0.4 * Double(step)).scalars
    let schedule = 1 / Double(step + 1)
    rule.update(
      &values, gradient: gradient, factors: StepFactors(learningRate: Float(schedule), gradient: 0.5), state: &state)
    for index in 0..<count {
      let clipped = 0.5 * Double(gradient[index])
      let interpolated = beta1 * momentum[index] + (1 - beta1) * clipped
      let update = (interpolated > 0 ? 1.0 : -1.0) + decay * weights[index]
      weights[index] -= rate * schedule * update
      momentum[index] = beta2 * momentum[index] + (1 - beta2) * clipped
    }
    // Also through a checkpoint.
    if step == 4 { state = try! rule.restoreState(for: description, from: rule.snapshot(of: state)) }
  }
  #expect(relativeDifference(values, weights.map(Float.init)) < 1e-6)
  #expect(rule.stepCount(of: state) == 10)
}

@Test func withoutAGradientLionOnlyDecays() {
  let rule = Lion(learningRate: 0.1, weightDecay: 0.5)
  var state = rule.makeState(for: ParameterDescription(name: "b", shape: .vector(count: 2)))
  var values: [Float] = [1, -2]
  rule.update(&values, gradient: [0, 0], state: &state)
  #expect(values == [0.95, -1.9])
}
