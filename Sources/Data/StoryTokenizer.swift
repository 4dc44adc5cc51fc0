/// A tokenizer that stories can be kept in the tokens of.
public protocol StoryTokenizer: Tokenizer {
  /// SHA-256 of all that it is: what token files know their tokenizer by.
  var digest: String { get }
  /// The token that ends a story; no text contains it.
  var endOfStory: Int32 { get }
}

extension StoryTokenizer {
  public var endOfText: Int32? { endOfStory }
}
