import Dispatch
import Synchronization

/// Completions one after another, each on all cores; a few wait.
final class CompletionQueue: Sendable {
  /// A piece of a completion's text, or the whole at its end.
  enum Part: Sendable {
    case text(String)
    case end(ServedModel.Completion)
  }

  private let queue = DispatchQueue(label: "completions")
  private let count = Mutex(0)
  private let limit: Int

  /// - Parameter limit: how many are written or wait at most.
  init(limit: Int = 16) { self.limit = limit }

  /// Begins when its turn has come, and ends early where nobody reads any more.
  /// - Throws: when too many wait.
  func parts(
    of request: CompletionRequest, by model: ServedModel
  ) throws(RequestError) -> AsyncThrowingStream<Part, any Error> {
    try model.check(request)
    let isFull = count.withLock { count in
      guard count < limit else { return true }
      count += 1
      return false
    }
    guard !isFull else {
      throw RequestError(status: 429, message: "\(limit) completions are on their way already; try again later")
    }
    let isUnwanted = Flag()
    return AsyncThrowingStream { continuation in
      continuation.onTermination = { _ in isUnwanted.raise() }
      queue.async { [self] in
        defer { count.withLock { $0 -= 1 } }
        guard !isUnwanted.isRaised else { return }
        do {
          let completion = try model.complete(request) { text in
            continuation.yield(.text(text))
            return !isUnwanted.isRaised
          }
          continuation.yield(.end(completion))
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
    }
  }

  /// Raised once, from any thread.
  private final class Flag: Sendable {
    private let state = Mutex(false)
    var isRaised: Bool { state.withLock { $0 } }
    func raise() { state.withLock { $0 = true } }
  }
}
