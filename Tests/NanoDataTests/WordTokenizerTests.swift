import Foundation
import NanoTestSupport
import Testing

@testable import NanoData

/// Text of few characters, so that words repeat, with everything among them that ends words or looks as if it did.
private func randomText(using generator: inout SeededGenerator) -> String {
  let characters: [Unicode.Scalar] = [
    " ", " ", " ", "\n", "\t", "\r", "\u{0}", "\u{7F}", "\u{1C}", "\u{85}", "\u{A0}", "\u{2581}", "\u{2028}",
    "\u{3000}",
    "\u{FEFF}", "\u{301}", "\u{200D}", "ﬁ", "１", "語", "é", "🙂", "a", "b", "t", "h", "e", "s", ".", "'", ",", "\"", "1",
  ]
  var text = String.UnicodeScalarView()
  for _ in 0..<Int.random(in: 1..<300, using: &generator) {
    if Int.random(in: 0..<20, using: &generator) == 0 {
      text.append(Unicode.Scalar(UInt32.random(in: 0..<0x11_0000, using: &generator)) ?? "?")
    } else {
      text.append(characters.randomElement(using: &generator)!)
    }
  }
  return String(text)
}

/// Tokens as bytes, of texts taken as they are.
private func tokenized(
  _ texts: [String], _ tokenizer: some StoryTokenizer, table: WordTable = WordTable()
) throws -> [UInt8] {
  var stories = StoryTexts(bytes: [])
  for text in texts {
    let start = stories.bytes.count
    stories.bytes += text.utf8
    stories.stories.append(
      StoryTexts.Story(range: start..<stories.bytes.count, characterCount: text.unicodeScalars.count))
  }
  let words = WordTokenizer(tokenizer, wordEnds: tokenizer.wordEnds, table: table)
  let result = try words.tokenized(stories)
  #expect(result.storyCount == texts.count && result.byteCount == stories.bytes.count)
  #expect(result.characterCount == texts.reduce(0) { $0 + $1.unicodeScalars.count })
  return result.tokens
}

/// The same, each text handed to the tokenizer whole.
private func encodedWhole(_ texts: [String], _ tokenizer: some StoryTokenizer) throws -> [UInt8] {
  TokenFile.bytes(
    of: try texts.flatMap { try tokenizer.encode($0) + [tokenizer.endOfStory] },
    each: TokenFile.bytesPerToken(of: tokenizer))
}

/// GPT-2's encoding with merges around white space.
private func byteLevelTokenizer() -> ByteLevelTokenizer {
  var bytes = (0...255).map { [UInt8($0)] }
  var merges: [ByteLevelTokenizer.Merge] = []
  for (left, right) in [(" ", "a"), (" ", " "), ("\n", " "), ("e", " "), ("t", "h"), (" ", "\u{3000}")] {
    let (left, right) = (left.utf8.first!, right.utf8.first!)
    merges.append(ByteLevelTokenizer.Merge(left: Int32(left), right: Int32(right), result: Int32(bytes.count)))
    bytes.append([left, right])
  }
  return ByteLevelTokenizer(bytes: bytes + [[]], merges: merges, endOfStory: Int32(bytes.count), description: Data())
}

/// Word by word gives what whole stories give, whatever is in them; also where the table is emptied all the time.
@Test func wordsHaveTheTokensOfWholeTexts() throws {
  let golden = try tokenizer()
  let learned = try SentencePieceTokenizer(
    trainingOn: (0..<300).map { "Story \($0): the  cat and\nthe dog — 語 \(String(repeating: " ", count: $0 % 4))out." },
    vocabularySize: 400)
  // No model trained here has such a piece; others have, and U+2581 is a space of theirs.
  var model = try SentencePieceModel(Fixture.data("sentencepiece/tokenizer.model"))
  model.pieces[419] = SentencePieceModel.Piece("\u{2581}\u{2581}", score: 1, kind: .normal)
  let doubled = try SentencePieceTokenizer(model: model.data)
  #expect(try doubled.wordEnds == golden.wordEnds && doubled.encode("  ") == [419])
  let byteLevel = byteLevelTokenizer()
  #expect(golden.wordEnds.count == 254 && learned.wordEnds.count == 254 && byteLevel.wordEnds.count == 94)
  var generator = SeededGenerator(seed: 27)
  var texts = [
    "", " ", "  ", "a ", "a  ", " a  b ", "\u{2581}", " \u{2581} \u{2581}", "a\u{2581} b", "\u{3041} b", "\0 \0",
  ]
  texts += [String(repeating: "a", count: 3_000) + " " + String(repeating: "語", count: 300)]
  for _ in 0..<1_500 { texts.append(randomText(using: &generator)) }
  for text in texts {
    #expect(try tokenized([text], golden) == encodedWhole([text], golden), "\(text.debugDescription)")
  }
  #expect(try tokenized(texts, learned) == encodedWhole(texts, learned))
  #expect(try tokenized(texts, doubled) == encodedWhole(texts, doubled))
  #expect(try tokenized(texts, byteLevel) == encodedWhole(texts, byteLevel))
  for table in [WordTable(recordBytes: 300), WordTable(recordBytes: 5_000)] {
    #expect(try tokenized(texts, golden, table: table) == encodedWhole(texts, golden))
  }
}

/// A model with a piece over a cut, one whose scores are summed, and those that change text before they cut it.
@Test func modelsWithSpacesInsidePiecesTakeWholeTexts() throws {
  let golden = try SentencePieceModel(Fixture.data("sentencepiece/tokenizer.model"))
  #expect(golden.piecesStayInWords)
  var crossing = golden
  // In place of the last merge one of the first, over the end of a word.
  crossing.pieces[419] = SentencePieceModel.Piece("e\u{2581}", score: 1, kind: .normal)
  #expect(!crossing.piecesStayInWords)
  let tokenizer = try SentencePieceTokenizer(model: crossing.data)
  #expect(tokenizer.wordEnds.isEmpty)
  let texts = ["the cat", "one more time"]
  #expect(try tokenizer.encode("the cat").contains(419))
  #expect(try tokenized(texts, tokenizer) == encodedWhole(texts, tokenizer))
  crossing.pieces[419].text = "\u{2581}\u{2581}\u{2581}e"
  #expect(crossing.piecesStayInWords)
  crossing.algorithm = .unigram
  #expect(!crossing.piecesStayInWords)
  // Later fields of a protocol buffer replace earlier ones: a character map, a dummy prefix, white space removed, spaces
  // that stay spaces; and no byte fallback.
  for fields in [
    [0x1A, 3, 0x12, 1, 7], [0x1A, 2, 0x18, 1], [0x1A, 2, 0x20, 1], [0x1A, 2, 0x28, 0], [0x12, 3, 0x98, 2, 0],
  ] as [[UInt8]] {
    #expect(try !SentencePieceModel(golden.data + fields).piecesStayInWords, "\(fields)")
  }
}

@Test func aWordTableKeepsWhatFits() {
  let table = WordTable(recordBytes: 1_500)
  func bytes(_ number: Int) -> [UInt8] { Array("word \(number), of \(number * number)".utf8.prefix(number % 23 + 1)) }
  var generator = SeededGenerator(seed: 1)
  var found = 0
  for _ in 0..<20_000 {
    let number = Int.random(in: 0..<60, using: &generator)
    let value = Array(bytes(number).reversed())
    bytes(number).withUnsafeBytes { word in
      let hash = WordTable.hash(word)
      if let known = table.value(of: word, hash: hash) {
        #expect(Array(known) == value)
        found += 1
      } else {
        table.add(word, hash: hash, value)
        #expect(table.value(of: word, hash: hash).map(Array.init) == value)
      }
    }
  }
  #expect(found > 10_000)
  let long = [UInt8](repeating: 1, count: WordTable.longestWord + 1)
  long.withUnsafeBytes { word in
    table.add(word, hash: 7, [1])
    #expect(table.value(of: word, hash: 7) == nil)
  }
}
