import FlyingSocks
import Foundation
import Synchronization

/// The parts of a completion as the bytes of an answer.
struct CompletionBody: AsyncBufferedSequence {
  typealias Element = UInt8

  let first: CompletionQueue.Part
  let rest: CompletionQueue.Parts
  let encode: @Sendable (CompletionQueue.Part) -> Data

  func makeAsyncIterator() -> Iterator {
    Iterator(pending: Array(encode(first)), parts: rest.makeAsyncIterator(), encode: encode)
  }

  struct Iterator: AsyncBufferedIteratorProtocol {
    fileprivate var pending: [UInt8]
    fileprivate var parts: CompletionQueue.Parts.Iterator
    fileprivate let encode: @Sendable (CompletionQueue.Part) -> Data

    mutating func next() async throws -> UInt8? { try await nextBuffer(suggested: 1)?.first }

    mutating func nextBuffer(suggested count: Int) async throws -> [UInt8]? {
      while pending.isEmpty {
        guard let part = try await parts.next() else { return nil }
        pending = Array(encode(part))
      }
      defer { pending.removeFirst(Swift.min(count, pending.count)) }
      return Array(pending.prefix(count))
    }
  }
}

/// A space now and then in front of an answer that is long in coming: sending it tells whether anybody still listens.
final class Heartbeat: Sendable {
  private let last = Mutex(ContinuousClock.now)

  /// A space at most every second.
  func next() -> Data {
    last.withLock { last in
      guard last.duration(to: .now) >= .seconds(1) else { return Data() }
      last = .now
      return Data(" ".utf8)
    }
  }
}
