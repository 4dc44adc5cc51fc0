import NanoData
import NanoTestSupport
import Testing

@Test func corpusIsAFunctionOfItsSeedWithAKnownLikelihood() {
  func make(_ seed: UInt64) -> BuiltInCorpus {
    var generator = SeededGenerator(seed: seed)
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
