import Foundation
import NanoTensor
import Testing

/// Known answer of Random123's kat_vectors for philox4x32-10 with all-zero counter and key.
@Test func philoxKnownAnswer() {
  var generator = RandomGenerator(seed: 0)
  #expect(
    (0..<4).map { _ in generator.nextWord() } == [
      0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8,
    ])
}

@Test func generatorResumesFromItsCode() throws {
  for drawn in 0..<9 {
    var generator = RandomGenerator(seed: 42)
    for _ in 0..<drawn { _ = generator.nextWord() }
    var restored = try JSONDecoder().decode(
      RandomGenerator.self, from: JSONEncoder().encode(generator))
    #expect((0..<10).map { _ in generator.nextWord() } == (0..<10).map { _ in restored.nextWord() })
  }
}

@Test func splitStreamsDiffer() {
  let generator = RandomGenerator(seed: 1)
  var (a, b, again) = (generator.split(1), generator.split(2), generator.split(1))
  let first = (0..<8).map { _ in a.nextWord() }
  #expect(first != (0..<8).map { _ in b.nextWord() })
  #expect(first == (0..<8).map { _ in again.nextWord() })
}

@Test func normalHasItsMoments() {
  var generator = RandomGenerator(seed: 3)
  let values = (0..<100_000).map { _ in Double(generator.nextNormal()) }
  let mean = values.reduce(0, +) / 1e5
  let variance = values.reduce(0) { $0 + $1 * $1 } / 1e5
  #expect(abs(mean) < 0.02 && abs(variance - 1) < 0.03)
}

@Test func integersStayBelowTheirBound() {
  var generator = RandomGenerator(seed: 4)
  var counts = [Int](repeating: 0, count: 7)
  for _ in 0..<70_000 { counts[generator.nextInt(below: 7)] += 1 }
  #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
}
