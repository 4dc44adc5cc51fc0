import NanoOptim
import NanoTensor
import TensorTestSupport
import Testing

/// On parameters it is the rule on arrays: their roles say what form they have.
@Test func parametersAreUpdatedByTheirRoles() {
  let rule = RoutedOptimizer(
    Muon(learningRate: 0.1), where: { $0.shape.isMatrix && $0.role != .router }, otherwise: AdamW(learningRate: 0.01))
  let cases: [(role: Parameter.Role, shape: ParameterShape)] = [
    (.hiddenMatrix(count: 1), .matrix(outputs: 6, inputs: 4)),
    (.expertMatrix(count: 3), .matrices(3, outputs: 2, inputs: 4)), (.router, .vector(count: 24)),
    (.embedding, .vector(count: 24)), (.outputHead, .vector(count: 24)),
  ]
  var all = ParameterOptimizer(rule)
  for (role, shape) in cases {
    var parameter = Parameter(wave([6, 4]), role: role)
    var expected = wave([6, 4]).scalars
    var state = rule.makeState(for: ParameterDescription(name: "p", shape: shape))
    for step in 0..<3 {
      let gradient = wave([6, 4], frequency: 0.4 + Double(step))
      all.update(&parameter, gradient: gradient)
      rule.update(&expected, gradient: gradient.scalars, state: &state)
    }
    #expect(parameter.value.scalars == expected, "\(role)")
  }
}

/// An optimizer that is given the states of another goes on with the same bits.
@Test func statesOfParametersAreSavedAndRestored() throws {
  let rule = RoutedOptimizer(Muon(), where: \.shape.isMatrix, otherwise: AdamW())
  var first = ParameterOptimizer(rule)
  for role in [Parameter.Role.hiddenMatrix(count: 1), .gain] {
    var parameter = Parameter(wave([6, 4]), role: role)
    #expect(first.snapshot(of: parameter) == nil)
    first.update(&parameter, gradient: wave([6, 4], frequency: 1.1))
    let saved = try #require(first.snapshot(of: parameter))
    var (second, copy) = (ParameterOptimizer(rule), parameter)
    try second.restore(saved, for: copy)
    first.update(&parameter, gradient: wave([6, 4], frequency: 1.7))
    second.update(&copy, gradient: wave([6, 4], frequency: 1.7))
    #expect(copy.value.scalars == parameter.value.scalars)
    #expect(throws: StateMismatch.self) {
      try second.restore(StateSnapshot(stepCount: 1, buffers: [:]), for: copy)
    }
  }
}
