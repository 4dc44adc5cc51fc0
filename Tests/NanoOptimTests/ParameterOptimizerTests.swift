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
