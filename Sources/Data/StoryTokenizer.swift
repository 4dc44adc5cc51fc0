/// A tokenizer that stories can be kept in the tokens of.
public protocol StoryTokenizer: Tokenizer {
  /// SHA-256 of all that it is: what token files know their tokenizer by.
  var digest: String { get }
  /// The token that ends a story; no text contains it.
  var endOfStory: Int32 { get }
  /// The bytes of UTF-8 text behind which it may be cut before a space: its tokens are those of the two parts. Empty where
  /// nothing is known of that.
  var wordEnds: Set<UInt8> { get }
}

extension StoryTokenizer {
  public var endOfText: Int32? { endOfStory }
  public var wordEnds: Set<UInt8> { [] }
}
