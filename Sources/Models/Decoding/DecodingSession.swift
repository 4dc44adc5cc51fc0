/// A text being continued token by token, with a cache of what was computed before.
public protocol DecodingSession: Sendable {
  /// Tokens so far.
  var position: Int { get }
  /// Adds a token and returns the logits of the one after it.
  /// - Precondition: fewer tokens so far than the model's context length.
  mutating func append(_ token: Int32) -> [Float]
}
