import Foundation
import NanoData
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
