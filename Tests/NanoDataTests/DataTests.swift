import Foundation
import NanoData
import NanoTensor
import NanoTestSupport
import Testing

@Test func vocabularyIsSortedAndRoundTrips() throws {
  let text = "hello, wörld 日本\n"
  let tokenizer = CharacterTokenizer(vocabularyOf: text)
  #expect(tokenizer.scalars == tokenizer.scalars.sorted() && tokenizer.vocabularySize == 13)
  #expect(tokenizer.decode(try tokenizer.encode(text)) == text)
  #expect(throws: TokenizerError.self) { try tokenizer.encode("Z") }
  let copy = try JSONDecoder().decode(
    CharacterTokenizer.self, from: JSONEncoder().encode(tokenizer))
  #expect(copy == tokenizer)
}

@Test func badFilesAreNamed() throws {
  let folder = try TemporaryFolder()
  func expect(_ path: String, _ part: String) {
    #expect { try TextFile.read(path) } throws: { "\($0)".contains(part) }
  }
  expect(folder.path + "/none", "no such file")
  expect(folder.path, "is a directory")
  try Data().write(to: URL(fileURLWithPath: folder.path + "/empty"))
  expect(folder.path + "/empty", "empty")
  try Data("abcé".utf8 + [0xC3, 0x28]).write(to: URL(fileURLWithPath: folder.path + "/broken"))
  expect(folder.path + "/broken", "offset 5")
}

@Test func windowsAreShiftedByOneAndStayInTheirSplit() throws {
  let dataset = try TextDataset(tokens: (0..<1000).map(Int32.init), contextLength: 8)
  var generator = RandomGenerator(seed: 1)
  for split in Split.allCases {
    let batch = dataset.batch(
      of: split, sequenceCount: 200, sequenceLength: 8, using: &generator)
    #expect(zip(batch.inputs, batch.targets).allSatisfy { $0 + 1 == $1 })
    #expect(batch.inputs.allSatisfy { ($0 < 900) == (split == .training) })
    #expect(batch.targets.allSatisfy { ($0 < 900) == (split == .training) })
  }
}

@Test func shortTextsAreRefused() {
  #expect(throws: DatasetError.self) {
    try TextDataset(tokens: Array(repeating: 0, count: 100), contextLength: 32)
  }
}

// MARK: Grammar

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
  var generator = RandomGenerator(seed: 9)
  var counts: [String: Int] = [:]
  for _ in 0..<40_000 { counts[grammar.text(using: &generator), default: 0] += 1 }
  for (text, count) in counts {
    let expected = 40_000 * exp(grammar.logProbability(of: text.utf8))
    #expect(abs(Double(count) - expected) < 5 * expected.squareRoot(), "\(text)")
  }
}

@Test func corpusIsAFunctionOfItsSeedWithAKnownLikelihood() {
  func make(_ seed: UInt64) -> BuiltInCorpus {
    var generator = RandomGenerator(seed: seed)
    return BuiltInCorpus(characters: 20_000, using: &generator)
  }
  let corpus = make(1)
  #expect(corpus.text == make(1).text && corpus.text != make(2).text)
  let count = corpus.text.utf8.count
  let whole = corpus.negativeLogLikelihood(fromCharacter: 0)
  #expect(whole > 0.05 && whole < 1)
  // The chain rule: the nats of both parts are those of the whole, wherever it is cut.
  for cut in [1, 777, count / 2, count - 1] {
    let rest = corpus.negativeLogLikelihood(fromCharacter: cut) * Double(count - cut)
    #expect(rest > -1e-6 && rest < whole * Double(count))
    let nextRest =
      corpus.negativeLogLikelihood(fromCharacter: max(1, cut - 1)) * Double(count - max(1, cut - 1))
    #expect(nextRest >= rest - 1e-6)
  }
}
