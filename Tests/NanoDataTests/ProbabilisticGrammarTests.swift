import Foundation
import NanoData
import NanoTestSupport
import Testing

@Test func probabilitiesOfAllTextsSumToOne() {
  // Ambiguous on purpose: "ab" comes from two derivations of the second alternative.
  let grammar = ProbabilisticGrammar(
    start: "s",
    rules: [
      "s": (.uniform, ["{x=w}-{$x}", "{p}{q}"]), "w": (.zipf, ["a", "b", "c"]),
      "p": (.uniform, ["", "a"]), "q": (.zipf, ["ab", "b"]),
    ])
  let texts = ["a-a", "b-b", "c-c", "ab", "b", "aab"]
  let total = texts.reduce(0) { $0 + exp(grammar.logProbability(of: $1.utf8)) }
  #expect(abs(total - 1) < 1e-12)
  #expect(grammar.logProbability(of: "a-b".utf8) == -.infinity)
  let startsWithA = ["a-a", "ab", "aab"].reduce(0) { $0 + exp(grammar.logProbability(of: $1.utf8)) }
  #expect(abs(exp(grammar.logProbability(ofPrefix: "a".utf8)) - startsWithA) < 1e-12)
}

@Test func frequenciesApproachProbabilities() {
  let grammar = ProbabilisticGrammar(
    start: "s", rules: ["s": (.zipf, ["x{s2}", "y", "z"]), "s2": (.uniform, ["1", "2"])])
  var generator = SeededGenerator(seed: 9)
  var counts: [String: Int] = [:]
  for _ in 0..<40_000 { counts[grammar.text(using: &generator), default: 0] += 1 }
  for (text, count) in counts {
    let expected = 40_000 * exp(grammar.logProbability(of: text.utf8))
    #expect(abs(Double(count) - expected) < 5 * expected.squareRoot(), "\(text)")
  }
}
