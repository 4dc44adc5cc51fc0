import NanoOptim
import NanoTensor
import TensorTestSupport
import Testing

@Test func stackedMatricesAreUpdatedOneByOne() {
  let rule = TrueMuon()
  let gradient = wave([2, 3, 4]).scalars
  var stacked = wave([24], frequency: 0.3).scalars
  var parts = [Array(stacked[..<12]), Array(stacked[12...])]
  var stackState = rule.makeState(
    for: ParameterDescription(name: "stack", shape: .matrices(2, outputs: 3, inputs: 4)))
  rule.update(&stacked, gradient: gradient, state: &stackState)
  for index in 0..<2 {
    var state = rule.makeState(
      for: ParameterDescription(name: "part", shape: .matrix(outputs: 3, inputs: 4)))
    rule.update(
      &parts[index], gradient: Array(gradient[index * 12..<index * 12 + 12]), state: &state)
  }
  #expect(stacked == parts[0] + parts[1])
}
