import NanoOptim
import NanoTensor
import NanoTestSupport
import TensorTestSupport
import Testing

/// Runs a rule for 20 steps on the weights and gradients of `Tools/golden`'s optimizers.
func expectGolden(
  _ name: String, _ rule: some Optimizer, in fixture: String = "optimizers",
  order: ParameterShape.Order = .outputsByInputs, tolerance: Double = 2e-5
) throws {
  let golden = try Fixture.load(fixture)
  for (label, rows, columns) in [("tall", 12, 5), ("wide", 5, 12), ("square", 8, 8)] {
    let count = rows * columns
    var weights = wave([count], frequency: 0.9, phase: 0.2, scale: 0.5).scalars
    let (outputs, inputs) = order == .outputsByInputs ? (rows, columns) : (columns, rows)
    let description = ParameterDescription(
      name: label, shape: .matrix(outputs: outputs, inputs: inputs, order: order))
    var state = rule.makeState(for: description)
    for step in 0..<20 {
      let phase = 0.6 * Double(step)
      let gradient = wave([count], frequency: 1.7 + 0.05 * Double(step), phase: phase).scalars
      rule.update(&weights, gradient: gradient, state: &state)
    }
    let expected = try #require(golden["\(name).\(label)"]).scalars
    #expect(relativeDifference(weights, expected) < tolerance, "\(name) \(label)")
  }
}
