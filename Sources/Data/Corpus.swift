/// A text that is ready to train on: the tokens of both splits and what made them.
public struct Corpus: Sendable {
  /// What made the tokens.
  public let tokenizer: any Tokenizer
  /// The two parts of the text.
  public let training, validation: TokenizedText
  /// Where the text came from and what it is.
  public let record: DataRecord
  /// What the validation text costs the grammar that wrote it, in nats a character; of the built-in text of characters
  /// alone. No model can do better on average.
  public let optimumNLL: Double?

  /// Two splits in the tokens of one tokenizer, and where they came from.
  /// - Parameter optimumNLL: in nats a character; nil where no grammar tells.
  public init(
    tokenizer: any Tokenizer, training: TokenizedText, validation: TokenizedText, record: DataRecord,
    optimumNLL: Double? = nil
  ) {
    self.tokenizer = tokenizer
    self.training = training
    self.validation = validation
    self.record = record
    self.optimumNLL = optimumNLL
  }

  /// Tokens, of which the first nine in ten train and the rest validates.
  /// - Parameter text: what they stand for, one character a token.
  public init(
    characters tokens: [Int32], of text: String, tokenizer: CharacterTokenizer, record: DataRecord,
    optimumNLL: Double? = nil
  ) {
    let cut = Self.trainingCount(of: tokens.count)
    let scalars = text.unicodeScalars
    let bytes = text[..<scalars.index(scalars.startIndex, offsetBy: cut)].utf8.count
    self.init(
      tokenizer: tokenizer,
      training: TokenizedText(tokens[..<cut], byteCount: bytes, before: tokens.first ?? 0),
      validation: TokenizedText(
        tokens[cut...], byteCount: text.utf8.count - bytes, before: cut > 0 ? tokens[cut - 1] : 0),
      record: record, optimumNLL: optimumNLL)
  }

  /// The training split alone, of which the last tenth validates: for choosing settings without a look at the validation
  /// split.
  public var withoutValidationSplit: Corpus {
    let (most, tenth) = training.withLastTenthApart(tokenizer)
    return Corpus(tokenizer: tokenizer, training: most, validation: tenth, record: record)
  }

  /// How many of the first characters train: nine in ten.
  public static func trainingCount(of count: Int) -> Int { Int(0.9 * Double(count)) }

  /// One part of the text.
  public subscript(split: Split) -> TokenizedText { split == .training ? training : validation }

  /// Throws when a split has not one window of so many tokens and the one after them.
  public func requireWindows(of length: Int) throws(CorpusError) {
    for split in Split.allCases where self[split].count < length + 1 {
      throw CorpusError(
        description: "\(record.source): has \(self[split].count) tokens for \(split.rawValue); "
          + (length > 1
            ? "a context of \(length) needs \(length + 1) there: use a longer text or a shorter context"
            : "two are the least: use a longer text"))
    }
  }
}

/// A text that is too short for what is asked of it.
public struct CorpusError: Error, Hashable, CustomStringConvertible {
  /// What is wrong and with what.
  public let description: String

  /// An error whose message is shown as it stands.
  public init(description: String) { self.description = description }
}
