public import NanoData

/// Tokens that a full pass scores, and how much raw text they stand for.
public struct ScoredText: Sendable {
  public let count: Int
  public let characterCount: Int
  public let byteCount: Int
  /// What the first token is predicted from.
  let before: Int32
  /// The tokens of a range.
  let tokens: @Sendable (Range<Int>) -> [Int32]

  /// Tokenized stories; the first begins as every other, after the end of a story.
  public init(_ file: TokenFile, endOfStory: Int32) {
    count = file.count
    characterCount = file.header.characterCount
    byteCount = file.header.byteCount
    before = endOfStory
    tokens = { file[$0] }
  }

  /// The validation split of a text of characters.
  public init(validating dataset: TextDataset, tokenizer: CharacterTokenizer) {
    self.init(
      dataset.tokens(of: .validation), after: dataset.tokens(of: .training).last!,
      tokenizer: tokenizer)
  }

  /// A whole text of characters but for the first, which has nothing before it.
  /// - Throws: when the text has fewer than two characters, or one outside the vocabulary.
  public init(whole text: String, tokenizer: CharacterTokenizer) throws {
    let tokens = try tokenizer.encode(text)
    guard tokens.count > 1 else {
      throw DatasetError(description: "the text has \(tokens.count) characters; scoring takes two or more")
    }
    self.init(tokens.dropFirst(), after: tokens[0], tokenizer: tokenizer)
  }

  private init(_ slice: ArraySlice<Int32>, after before: Int32, tokenizer: CharacterTokenizer) {
    count = slice.count
    characterCount = slice.count
    byteCount = tokenizer.decode(slice).utf8.count
    self.before = before
    tokens = { Array(slice[slice.startIndex + $0.lowerBound..<slice.startIndex + $0.upperBound]) }
  }
}
