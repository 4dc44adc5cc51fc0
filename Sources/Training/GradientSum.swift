internal import NanoTensor
internal import Synchronization

/// The sum of the shards' gradients of every parameter, in shard order whoever comes first.
///
/// A gradient is added as soon as those of all shards before it are, in the sum's place. So beside the sum only those
/// gradients exist that wait for an earlier shard.
final class GradientSum: Sendable {
  private final class Sum: Sendable {
    struct State {
      var tensor: Tensor?
      /// Shards that have been added.
      var count = 0
      var waiting: [Int: Tensor] = [:]
    }

    let state = Mutex(State())
  }

  /// One a parameter.
  private let sums: [Sum]

  init(parameterCount: Int) { sums = (0..<parameterCount).map { _ in Sum() } }

  func add(_ gradient: consuming Tensor, of parameter: Int, inShard shard: Int) {
    var own: Tensor? = consume gradient  // so that the sum has one owner and forms in place
    sums[parameter].state.withLock { state in
      state.waiting[shard] = own.take()
      while let next = state.waiting.removeValue(forKey: state.count) {
        state.count += 1
        guard var sum = state.tensor.take() else {
          state.tensor = next
          continue
        }
        sum += next
        state.tensor = sum
      }
    }
  }

  /// The sum over so many shards, which is given up; nil if a shard is missing.
  func take(_ parameter: Int, shards: Int) -> Tensor? {
    sums[parameter].state.withLock { state in
      defer { state.tensor = nil }
      return state.count == shards ? state.tensor : nil
    }
  }
}
