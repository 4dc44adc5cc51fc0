import NanoOptim
import NanoTensor
import TensorTestSupport
import Testing

@Test func snapshotsContinueWhereTheyWereTaken() throws {
  let rule = RoutedOptimizer(Muon(), where: \.shape.isMatrix, otherwise: AdamW())
  for shape in [ParameterShape.matrix(outputs: 3, inputs: 4), .vector(count: 12)] {
    let description = ParameterDescription(name: "p", shape: shape)
    var (straight, resumed) = (wave([12]).scalars, wave([12]).scalars)
    var (state, other) = (rule.makeState(for: description), rule.makeState(for: description))
    for step in 0..<6 {
      let gradient = wave([12], frequency: 0.4 + Double(step)).scalars
      rule.update(&straight, gradient: gradient, state: &state)
      rule.update(&resumed, gradient: gradient, state: &other)
      other = try rule.restoreState(for: description, from: rule.snapshot(of: other))
    }
    #expect(straight == resumed)
  }
  let short = StateSnapshot(stepCount: 1, buffers: ["momentum": [1]])
  #expect(throws: StateMismatch.self) {
    try Muon().restoreState(
      for: ParameterDescription(name: "p", shape: .matrix(outputs: 2, inputs: 2)), from: short)
  }
}
