import Foundation
import NanoData
import NanoTestSupport
import Testing

/// What SentencePiece makes of a text and back: U+2581 is a space to it.
///
/// Scalar by scalar: strings compare equal under canonical equivalence.
private func andBack(_ text: String) -> [Unicode.Scalar] {
  text.unicodeScalars.map { $0 == "\u{2581}" ? " " : $0 }
}

@Test func idsEqualThePythonPackage() throws {
  struct Entry: Codable {
    var text: String
    var ids: [Int32]
  }
  let tokenizer = try tokenizer()
  let entries = try JSONDecoder().decode([Entry].self, from: Fixture.data("sentencepiece/ids.json"))
  #expect(entries.count == 331 && entries.count { $0.text.contains("\u{2581}") } > 50)
  for entry in entries {
    #expect(try tokenizer.encode(entry.text) == entry.ids, "\(entry.text.debugDescription)")
    #expect(Array(tokenizer.decode(entry.ids).unicodeScalars) == andBack(entry.text))
  }
}

@Test func encodingLosesNothing() throws {
  let tokenizer = try tokenizer()
  var texts = [
    "\u{2581}", "a\u{2581}b \u{2581}\u{2581}", "\u{2581}\u{301}", "\u{FFFD}", "\u{FEFF}bom", "\u{0}zero", "\u{10FFFF}",
  ]
  var generator = SeededGenerator(seed: 3)
  for length in 0..<200 {
    var scalars = String.UnicodeScalarView()
    while scalars.count < length {
      // Half letters and spaces, half anything.
      let wide = Bool.random(using: &generator)
      let value = Int.random(in: 0..<(wide ? 0x11_0000 : 0x7F), using: &generator)
      if let scalar = Unicode.Scalar(UInt32(value)) { scalars.append(scalar) }
    }
    texts.append(String(scalars))
  }
  for text in texts {
    let decoded = tokenizer.decode(try tokenizer.encode(text))
    #expect(Array(decoded.unicodeScalars) == andBack(text))
  }
}

@Test func everyFixtureRoundTrips() throws {
  let tokenizer = try tokenizer()
  let files = try FileManager.default.subpathsOfDirectory(atPath: Fixture.folder)
    .filter { $0.hasSuffix(".json") || $0.hasSuffix(".txt") }
  #expect(files.count >= 4)
  for file in files {
    let text = String(decoding: try Fixture.data(file), as: UTF8.self)
    #expect(Array(tokenizer.decode(try tokenizer.encode(text)).unicodeScalars) == andBack(text), "\(file)")
  }
}

@Test func trainingIsAFunctionOfTheTextAndLossless() throws {
  let texts = (0..<300).map { "Story \($0): the cat and the dog went out.\n\nThey came home — late." }
  let first = try SentencePieceTokenizer(trainingOn: texts, vocabularySize: 350)
  let second = try SentencePieceTokenizer(trainingOn: texts, vocabularySize: 350)
  #expect(first.model == second.model)
  #expect(first.vocabularySize <= 350 && first.vocabularySize > 256)
  #expect(first.decode(try first.encode(texts[7] + " ✓ \u{2581}")) == texts[7] + " ✓  ")
  #expect(try first.encode(texts[0]).count < texts[0].count / 2)
  #expect {
    try SentencePieceTokenizer(trainingOn: texts, vocabularySize: 100)
  } throws: {
    "\($0)".contains("100 pieces") && "\($0)".contains("ask for more")
  }
}

@Test func tokenizersLearnFromLongTextsAndFromTextsWithoutSpaces() throws {
  let long = try SentencePieceTokenizer(
    trainingOn: [String(repeating: "somewhere ", count: 5_000)], vocabularySize: 300)
  #expect(try long.encode("somewhere").count == 1)
  let spaceless = try SentencePieceTokenizer(
    trainingOn: [String(repeating: "物語", count: 20_000)], vocabularySize: 300)
  #expect(spaceless.decode(try spaceless.encode("物 語")) == "物 語")
}

@Test func foreignAndTruncatedModelsAreRefused() throws {
  let model = try Fixture.data("sentencepiece/tokenizer.model")
  for bad in [Data(), Data("not a model".utf8), model.prefix(model.count / 2), Data(count: 4096)] {
    #expect(throws: TokenizerError.self) { try SentencePieceTokenizer(model: Data(bad)) }
  }
}
