import Foundation
import Testing

@testable import NanoData

/// Letters, a space, and merges of them; the last token ends a story.
private func smallTokenizer(looksUpWords: Bool = false) -> ByteLevelTokenizer {
  let bytes = ["a", "b", " ", "ab", "aba", " a", ""].map { Array($0.utf8) }
  return ByteLevelTokenizer(
    bytes: bytes,
    merges: [
      ByteLevelTokenizer.Merge(left: 0, right: 1, result: 3), ByteLevelTokenizer.Merge(left: 3, right: 0, result: 4),
      ByteLevelTokenizer.Merge(left: 2, right: 0, result: 5),
    ], looksUpWords: looksUpWords, endOfStory: 6, description: Data("x".utf8))
}

@Test func pairsOfLowestRankAreMergedFromTheLeft() throws {
  let tokenizer = smallTokenizer()
  #expect(try tokenizer.encode("ababa") == [3, 4])
  #expect(try tokenizer.encode("aab") == [0, 3])
  // The pair of a and b comes before that of a space and a.
  #expect(try tokenizer.encode(" ab a") == [2, 3, 5])
  #expect(try tokenizer.encode(String(repeating: "ab", count: 5_000)).count == 5_000)
  #expect(try tokenizer.encode("") == [])
}

@Test func bytesWithoutATokenAreRefused() {
  #expect { try smallTokenizer().encode("abc") } throws: { "\($0)".contains("no token for the byte 99") }
}

@Test func theEndOfAStoryStandsForNoText() throws {
  let tokenizer = smallTokenizer()
  #expect(tokenizer.decode([3, 6, 5]) == "ab a")
  #expect(tokenizer.endOfText == 6)
}

@Test func wholeWordsAreLookedUpWhereThatIsAsked() throws {
  let words = ["a", "b", "bb", ""].map { Array($0.utf8) }
  func tokens(_ looksUpWords: Bool) throws -> [Int32] {
    try ByteLevelTokenizer(
      bytes: words, merges: [], looksUpWords: looksUpWords, endOfStory: 3, description: Data()
    ).encode("bb")
  }
  #expect(try tokens(true) == [2])
  #expect(try tokens(false) == [1, 1])
}

@Test(
  arguments: [
    ("I'm here", ["I", "'m", " here"]), ("a  b", ["a", " ", " b"]), ("a\n\nb", ["a", "\n", "\n", "b"]),
    ("a \n", ["a", " \n"]), ("don't!!", ["don", "'t", "!!"]), (" x1²y", [" x", "1²", "y"]), ("  ", ["  "]),
    ("é e\u{301}", ["é", " e", "\u{301}"]), ("\u{A0}a", ["\u{A0}", "a"]), (" 's", [" '", "s"]),
  ] as [(String, [String])])
func wordsAreThoseOfGPT2(text: String, words: [String]) {
  #expect(ByteLevelTokenizer.words(of: text).map { String(decoding: $0, as: UTF8.self) } == words)
}
