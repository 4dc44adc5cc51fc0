/// What the threads of a step on the host share among them. A function of model and batch alone, since results depend on it.
public enum WorkSharing: Sendable {
  /// The batch: each thread has shards of its own, and every operation is one thread's.
  case batch
  /// Each operation: shards are worked through one after another, so that a large model's activations exist once.
  case operations

  /// From here on threads would wait for memory rather than for each other.
  private static let largeParameterCount = 50_000_000
  /// Tokens from which on a product's operands are packed in little of its time.
  private static let tokensPerShard = 2048

  init(parameterCount: Int, shardCount: Int) {
    self = shardCount == 1 || parameterCount >= Self.largeParameterCount ? .operations : .batch
  }

  /// The shards that suit a batch: of a large model as few as hold 2,048 tokens each, of others the usual number.
  /// - Parameter tokenCount: of a micro-batch.
  public static func shardCount(parameterCount: Int, tokenCount: Int, usual: Int) -> Int {
    guard parameterCount >= largeParameterCount else { return usual }
    return (tokenCount + tokensPerShard - 1) / tokensPerShard
  }
}
