/// Text to token numbers and back.
public protocol Tokenizer: Sendable {
  /// How many tokens there are; they count from 0 to below this.
  var vocabularySize: Int { get }
  /// The token between texts, if there is one; no text contains it.
  var endOfText: Int32? { get }
  /// - Throws: when the text holds something outside the vocabulary.
  func encode(_ text: String) throws(TokenizerError) -> [Int32]
  /// - Precondition: every token is below ``vocabularySize``.
  func decode(_ tokens: some Sequence<Int32>) -> String
}

/// Text that a tokenizer cannot express.
public struct TokenizerError: Error, Hashable, CustomStringConvertible {
  /// What is wrong, and where.
  public let description: String
}

extension Tokenizer {
  public var endOfText: Int32? { nil }
}
