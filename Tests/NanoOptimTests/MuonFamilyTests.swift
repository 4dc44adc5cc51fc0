import Foundation
import NanoOptim
import NanoTensor
import TensorTestSupport
import Testing

@Test func rulesOfTheFamilyMatchTheirOriginals() throws {
  func check(_ name: String, _ rule: Muon) throws { try expectGolden(name, rule, in: "muon_family") }
  try check("normuon", .norMuon)
  try check("adamuon", .adaMuon)
  try check("muon_plus", .muonPlus)
  try check("cautious", .cautious)
  for (name, normalization) in [("row", DirectionNormalization.outputs), ("col", .inputs), ("rowcol", .both)] {
    var rule = Muon.muonEq
    rule.directionNormalization = normalization
    try check("muon_eq_\(name)", rule)
  }
}

/// The originals themselves have run for these.
@Test func rulesMatchWhatTheirOriginalsMade() throws {
  func check(_ name: String, _ rule: Muon) throws { try expectGolden(name, rule, in: "original_rules") }
  try check("turbo_muon", .turboMuon)
  try check("muon_h", .hyperball)
  var rule = Muon.hyperball
  rule.learningRate = 0.001
  try check("muon_h_small_rate", rule)
  try check(
    "cautious_dion",
    Muon(momentumForm: .heavyBall, weightDecay: 0.1, weightDecayForm: .cautious, updateScale: .spectralNorm))
}

/// Each matrix keeps its own norm, whatever the gradient and the decay; one of zeros stays so.
@Test func hyperballKeepsNorms() {
  var rule = Muon.hyperball
  (rule.learningRate, rule.weightDecay) = (0.3, 0.5)
  let description = ParameterDescription(name: "w", shape: .matrices(3, outputs: 2, inputs: 4))
  var weights = wave([8]).scalars + wave([8], scale: 10).scalars + [Float](repeating: 0, count: 8)
  func norms() -> [Double] {
    (0..<3).map { Tensor(Array(weights[8 * $0..<8 * $0 + 8]), shape: [8]).sumOfSquares.squareRoot() }
  }
  let (first, before) = (weights, norms())
  var state = rule.makeState(for: description)
  for step in 0..<10 {
    rule.update(&weights, gradient: wave([24], frequency: 1.3 + Double(step)).scalars, state: &state)
  }
  for (old, new) in zip(before, norms()) { #expect(abs(old - new) <= 1e-5 * old) }
  #expect(weights[0] != first[0] && weights[8] != first[8] && weights[16...].allSatisfy { $0 == 0 })
}

private let family: [Muon] = [.norMuon, .adaMuon, .muonEq, .muonPlus, .turboMuon, .cautious, .hyperball]

/// A matrix stored the other way round, and one of a stack, are updated as by themselves.
@Test(arguments: family) func storageDoesNotMatter(rule: Muon) {
  let (rows, columns) = (6, 4)
  func steps(_ shape: ParameterShape, _ weights: [Float], _ gradient: (Int) -> [Float]) -> [Float] {
    var (weights, state) = (weights, rule.makeState(for: ParameterDescription(name: "w", shape: shape)))
    for step in 0..<3 { rule.update(&weights, gradient: gradient(step), state: &state) }
    return weights
  }
  func transposed(_ x: [Float]) -> [Float] {
    (0..<x.count).map { x[$0 % rows * columns + $0 / rows] }
  }
  let weights = (0..<rows * columns).map { Float(sin(Double($0))) }
  func gradient(_ step: Int) -> [Float] { (0..<rows * columns).map { Float(cos(Double($0 * (step + 2)))) } }
  let alone = steps(.matrix(outputs: rows, inputs: columns), weights, gradient)
  let turned = steps(.matrix(outputs: rows, inputs: columns, order: .inputsByOutputs), transposed(weights)) {
    transposed(gradient($0))
  }
  for (left, right) in zip(transposed(alone), turned) { #expect(abs(left - right) < 1e-5) }
  let stacked = steps(.matrices(2, outputs: rows, inputs: columns), weights.map { -$0 } + weights) {
    gradient($0 + 1) + gradient($0)
  }
  #expect(Array(stacked.suffix(rows * columns)) == alone)
}

/// What a rule keeps goes through a snapshot, and a rule is read as it was written.
@Test(arguments: family) func familyIsRestored(rule: Muon) throws {
  #expect(try JSONDecoder().decode(Muon.self, from: JSONEncoder().encode(rule)) == rule)
  let description = ParameterDescription(name: "w", shape: .matrices(2, outputs: 3, inputs: 5))
  var (weights, state) = ([Float](repeating: 0.5, count: 30), rule.makeState(for: description))
  func gradient(_ step: Int) -> [Float] { (0..<30).map { Float(sin(Double($0 * (step + 1)))) } }
  rule.update(&weights, gradient: gradient(0), state: &state)
  var restored = try rule.restoreState(for: description, from: rule.snapshot(of: state))
  var others = weights
  rule.update(&weights, gradient: gradient(1), state: &state)
  rule.update(&others, gradient: gradient(1), state: &restored)
  #expect(weights == others)
}

@Test func rulesWithFewerPartsAreRead() throws {
  let written = try JSONEncoder().encode(Muon.moonlight)
  var object = try #require(JSONSerialization.jsonObject(with: written) as? [String: Any])
  (object["weightDecayForm"], object["keepsNorm"]) = (nil, nil)
  #expect(try JSONDecoder().decode(Muon.self, from: JSONSerialization.data(withJSONObject: object)) == .moonlight)
}

@Test func prefixesAreTheFirstSteps() {
  #expect(NewtonSchulz.polarExpress.prefix(3).coefficients == Array(NewtonSchulz.polarExpress.coefficients.prefix(3)))
  #expect(NewtonSchulz.polarExpress.prefix(5) == .polarExpress)
}
