import Foundation
import NanoOptim
import NanoTensor
import Testing

@Test func rulesOfTheFamilyMatchTheirOriginals() throws {
  func check(_ name: String, _ rule: Muon) throws { try expectGolden(name, rule, in: "muon_family") }
  try check("normuon", .norMuon)
  try check("adamuon", .adaMuon)
  try check("muon_plus", .muonPlus)
  try check("turbo_muon", .turboMuon)
  try check("cautious", .cautious)
  for (name, normalization) in [("row", DirectionNormalization.outputs), ("col", .inputs), ("rowcol", .both)] {
    var rule = Muon.muonEq
    rule.directionNormalization = normalization
    try check("muon_eq_\(name)", rule)
  }
}

private let family: [Muon] = [.norMuon, .adaMuon, .muonEq, .muonPlus, .turboMuon, .cautious]

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
  object["weightDecayForm"] = nil
  #expect(try JSONDecoder().decode(Muon.self, from: JSONSerialization.data(withJSONObject: object)) == .moonlight)
}

@Test func prefixesAreTheFirstSteps() {
  #expect(NewtonSchulz.polarExpress.prefix(3).coefficients == Array(NewtonSchulz.polarExpress.coefficients.prefix(3)))
  #expect(NewtonSchulz.polarExpress.prefix(5) == .polarExpress)
}
