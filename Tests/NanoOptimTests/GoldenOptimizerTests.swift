import Foundation
import NanoOptim
import NanoTensor
import NanoTestSupport
import Testing

/// Runs a rule for 20 steps on the weights and gradients of `Tools/golden/optimizers.py`.
private func expectGolden(
  _ name: String, _ rule: some Optimizer, order: ParameterShape.Order = .outputsByInputs,
  tolerance: Double = 2e-5
) throws {
  let golden = try Fixture.load("optimizers")
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

@Test func adamWMatchesPyTorch() throws {
  try expectGolden("adamw", AdamW(learningRate: 1e-2, weightDecay: 0.1))
}

@Test func sgdMatchesPyTorch() throws {
  try expectGolden("sgd", SGD(learningRate: 1e-2, momentum: 0.9, weightDecay: 0.05))
  try expectGolden("sgd_nesterov", SGD(learningRate: 1e-2, momentum: 0.9, usesNesterov: true))
}

@Test func muonMatchesPyTorch() throws {
  try expectGolden("torch_muon", Muon.pyTorch)
  var scaled = Muon.pyTorch
  scaled.updateScale = .matchingAdamWRMS(0.2)
  try expectGolden("torch_muon_rms", scaled)
  var plain = Muon.pyTorch
  plain.usesNesterov = false
  plain.learningRate = 0.02
  try expectGolden("torch_muon_plain", plain)
}

@Test func muonMatchesKellerJordan() throws { try expectGolden("keller_jordan", Muon.kellerJordan) }

@Test func muonMatchesMoonlight() throws { try expectGolden("moonlight", Muon.moonlight) }

@Test func muonMatchesDion() throws { try expectGolden("dion", Muon.dion) }

@Test func muonMatchesOptax() throws {
  try expectGolden("optax", Muon.optax, order: .inputsByOutputs)
}

@Test func trueMuonMatchesTheStudy() throws { try expectGolden("true_muon", TrueMuon()) }

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

@Test func clippingLimitsTheNorm() {
  var norm = GlobalNorm()
  norm.add([Float(3)].span)
  norm.add([Float(4)].span)
  #expect(norm.value == 5)
  #expect(norm.factor(clippingTo: 1) == 0.2)
  #expect(norm.factor(clippingTo: 10) == 1)
}

@Test func schedules() {
  let cosine = CosineSchedule(warmUpSteps: 10, totalSteps: 110, finalFactor: 0.1)
  #expect(cosine.factor(at: 0) == 0.1 && cosine.factor(at: 9) == 1)
  #expect(abs(cosine.factor(at: 60) - 0.55) < 1e-6 && abs(cosine.factor(at: 500) - 0.1) < 1e-6)
  let stable = WarmUpStableDecaySchedule(warmUpSteps: 2, decaySteps: 10, totalSteps: 100)
  #expect(stable.factor(at: 0) == 0.5 && stable.factor(at: 50) == 1)
  #expect(stable.factor(at: 95) == 0.5 && stable.factor(at: 100) == 0)
  #expect(ConstantSchedule().factor(at: 0) == 1)
  let constant = ConstantSchedule(warmUpSteps: 4)
  #expect(constant.factor(at: 0) == 0.25 && constant.factor(at: 3) == 1 && constant.factor(at: 9) == 1)
}
