import NanoOptim
import Testing

/// The mean over the steps behind the first ones, beside weights that are as without it; through a snapshot too.
@Test func weightsAreAveraged() throws {
  let (rule, first, steps) = (SGD(learningRate: 0.1, momentum: 0.9), 3, 8)
  let description = ParameterDescription(name: "w", shape: .vector(count: 2))
  let averaging = WeightAveraging(rule, after: first)
  var (plain, weights) = ([Float](repeating: 1, count: 2), [Float](repeating: 1, count: 2))
  var (plainState, state) = (rule.makeState(for: description), averaging.makeState(for: description))
  var sums = [Float](repeating: 0, count: 2)
  for step in 0..<steps {
    let gradient = [Float(step) - 2, 0.5]
    rule.update(&plain, gradient: gradient, state: &plainState)
    averaging.update(&weights, gradient: gradient, state: &state)
    #expect(weights == plain)
    state = try averaging.restoreState(for: description, from: averaging.snapshot(of: state))
    if step >= first { for index in 0..<2 { sums[index] += weights[index] } }
  }
  let average = try #require(averaging.snapshot(of: state).buffers[WeightAveraging.bufferName])
  for (mean, sum) in zip(average, sums) { #expect(abs(mean - sum / Float(steps - first)) < 1e-6) }
}
