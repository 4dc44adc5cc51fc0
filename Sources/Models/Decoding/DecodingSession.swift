public import NanoTensor

/// Texts being continued, with a cache of what was computed before.
///
/// The logits of a text have the same bits whether its tokens come at once or one by one, and whatever texts are continued
/// beside it, on any number of threads.
public protocol DecodingSession: AnyObject {
  /// Tokens so far, of each text.
  var positions: [Int] { get }

  /// Adds tokens to each text and returns the logits of the token after them, nothing for a text that is given none.
  /// - Precondition: a list of tokens for each text, and no text longer than the model's context.
  func append(_ tokens: [[Int32]]) -> [[Float]]

  /// Forgets the tokens of a text, which then begins again.
  func restart(_ text: Int)

  /// Bytes of weights that are read for one more token of one text.
  var weightBytesPerToken: Int { get }
}

/// How a model writes.
public struct DecodingOptions: Hashable, Sendable {
  /// Texts that are continued side by side.
  public var textCount: Int
  /// How weights lie in memory; another format than float32 is a copy.
  public var weights: WeightFormat
  /// So many threads work, if there are as many; nil for as many as the model's size is worth.
  public var threadCount: Int?

  /// By default one text, written with the weights as they are.
  /// - Precondition: `textCount` is at least 1.
  public init(textCount: Int = 1, weights: WeightFormat = .float32, threadCount: Int? = nil) {
    self.textCount = textCount
    self.weights = weights
    self.threadCount = threadCount
  }
}
