import Foundation
import NanoOptim
import NanoTensor
import NanoTestSupport
import TensorTestSupport
import Testing

private let rule = SOAP(learningRate: 1e-2, weightDecay: 0.1, preconditionFrequency: 4)

/// As `Tools/golden/original_rules.py` has it.
private func gradient(_ step: Int, count: Int) -> [Float] {
  (0..<count).map { index in
    let (i, step) = (Double(index), Double(step))
    return Float(sin(0.37 * i * i + 0.6 * step + 0.05 * i * step))
  }
}

private func start(_ count: Int) -> [Float] { wave([count], frequency: 0.9, phase: 0.2, scale: 0.5).scalars }

/// From the first gradient on of a square matrix; of the others from the original's first bases, which nothing determines on
/// the longer side.
@Test(arguments: [("square", 8, 8), ("tall", 12, 5), ("wide", 5, 12)])
func soapMatchesItsOriginal(label: String, rows: Int, columns: Int) throws {
  let golden = try Fixture.load("original_rules")
  let description = ParameterDescription(name: label, shape: .matrix(outputs: rows, inputs: columns))
  let count = rows * columns
  var (weights, state) = (start(count), rule.makeState(for: description))
  rule.update(&weights, gradient: gradient(0, count: count), state: &state)
  #expect(weights == start(count), "the first step moves nothing")
  for side in ["left", "right"] {
    let expected = try #require(golden["soap.\(label).\(side)"]).scalars
    let snapshot = rule.snapshot(of: state)
    #expect(relativeDifference(try #require(snapshot.buffers["\(side).0"]), expected) < 1e-6)
    guard rows != columns else { continue }
    var given = snapshot
    given.buffers["\(side)Basis.0"] = try #require(golden["soap.\(label).\(side)Basis"]).scalars
    state = try rule.restoreState(for: description, from: given)
  }
  for step in 1..<20 { rule.update(&weights, gradient: gradient(step, count: count), state: &state) }
  let expected = try #require(golden["soap.\(label)"]).scalars
  #expect(relativeDifference(weights, expected) < 1e-4, "\(label): \(relativeDifference(weights, expected))")
}

/// What SOAP keeps goes through a snapshot to the bit, also across a renewal of the bases.
@Test func soapGoesOnFromASnapshot() throws {
  let description = ParameterDescription(name: "w", shape: .matrices(2, outputs: 3, inputs: 5))
  var (weights, state) = (start(30), rule.makeState(for: description))
  for step in 0..<6 { rule.update(&weights, gradient: gradient(step, count: 30), state: &state) }
  var (others, snapshot) = (weights, rule.snapshot(of: state))
  var restored = try rule.restoreState(for: description, from: snapshot)
  for step in 6..<12 {
    rule.update(&weights, gradient: gradient(step, count: 30), state: &state)
    rule.update(&others, gradient: gradient(step, count: 30), state: &restored)
  }
  #expect(weights == others && rule.stepCount(of: restored) == 12)
  #expect(try JSONDecoder().decode(SOAP.self, from: JSONEncoder().encode(rule)) == rule)
  snapshot.buffers["square.1"]![3] = -1
  #expect { try rule.restoreState(for: description, from: snapshot) } throws: { "\($0)".contains("square.1") }
}

/// Each matrix of a stack by itself; stored the other way round the same, to rounding.
@Test func soapUpdatesMatricesOneByOne() {
  func weights(_ shape: ParameterShape, _ gradient: (Int) -> [Float], from start: [Float]) -> [Float] {
    var (weights, state) = (start, rule.makeState(for: ParameterDescription(name: "w", shape: shape)))
    for step in 0..<7 { rule.update(&weights, gradient: gradient(step), state: &state) }
    return weights
  }
  func transposed(_ x: [Float]) -> [Float] { (0..<x.count).map { x[$0 % 6 * 6 + $0 / 6] } }
  let alone = weights(.matrix(outputs: 6, inputs: 6), { gradient($0, count: 36) }, from: start(36))
  let turned = weights(
    .matrix(outputs: 6, inputs: 6, order: .inputsByOutputs), { transposed(gradient($0, count: 36)) },
    from: transposed(start(36)))
  #expect(relativeDifference(transposed(turned), alone) < 1e-4)
  let stacked = weights(
    .matrices(2, outputs: 6, inputs: 6), { gradient($0 + 1, count: 36) + gradient($0, count: 36) },
    from: start(36).map(-) + start(36))
  #expect(Array(stacked.suffix(36)) == alone)
}

/// Of the bases that no gradient has determined any will do, and nothing becomes infinite.
@Test func withoutAGradientSOAPOnlyDecays() {
  var state = rule.makeState(for: ParameterDescription(name: "w", shape: .matrix(outputs: 4, inputs: 20)))
  var weights = [Float](repeating: 1, count: 80)
  for _ in 0..<11 { rule.update(&weights, gradient: [Float](repeating: 0, count: 80), state: &state) }
  var expected: Float = 1
  for _ in 0..<10 { expected *= 1 - 1e-2 * 0.1 }
  #expect(weights.allSatisfy { $0 == expected })
}

/// Bases stay orthonormal, of matrices longer than a vector register too.
@Test(arguments: [(40, 70), (70, 40), (1, 33)]) func basesAreOrthonormal(rows: Int, columns: Int) throws {
  let description = ParameterDescription(name: "w", shape: .matrix(outputs: rows, inputs: columns))
  var (weights, state) = (start(rows * columns), rule.makeState(for: description))
  for step in 0..<10 {
    rule.update(&weights, gradient: gradient(step, count: rows * columns), state: &state)
    guard [0, 9].contains(step) else { continue }
    for (name, n) in [("left", rows), ("right", columns)] {
      let buffers = rule.snapshot(of: state).buffers
      let basis = Tensor(try #require(buffers["\(name)Basis.0"]), shape: [n, n])
      let preconditioner = Tensor(try #require(buffers["\(name).0"]), shape: [n, n])
      func product(_ a: Int, _ b: Int, _ x: Tensor, _ y: Tensor) -> Double {
        (0..<n).reduce(0) { $0 + Double(x.scalars[a * n + $1]) * Double(y.scalars[b * n + $1]) }
      }
      let turned = basis.matmul(preconditioner)
      let (values, trace) = ((0..<n).map { product($0, $0, turned, basis) }, preconditioner.scalars)
      for a in 0..<n {
        for b in 0...a {
          let expected: Double = a == b ? 1 : 0
          #expect(abs(product(a, b, basis, basis) - expected) < 1e-5, "\(name) \(step): \(a), \(b)")
        }
      }
      let sum = (0..<n).reduce(0) { $0 + Double(trace[$1 * n + $1]) }
      #expect(abs(values.reduce(0, +) - sum) < 1e-4 * sum)
      guard step == 0 else { continue }
      #expect(zip(values, values.dropFirst()).allSatisfy { $0 > $1 - 1e-4 * sum }, "\(name): by falling eigenvalue")
      for a in 0..<n {
        for b in 0..<a { #expect(abs(product(a, b, turned, basis)) < 1e-5 * sum, "\(name): eigenvectors") }
      }
    }
  }
}
