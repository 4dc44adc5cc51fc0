import Foundation
public import NanoCommunication
import Synchronization

/// Ranks that are threads of this process.
public enum ThreadRanks {
  /// What `body` returns on each of `count` ranks, in their order.
  public static func run<Result: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (ThreadCommunicator) throws -> Result
  ) throws -> [Result] {
    let world = ThreadWorld(count: count)
    let outcomes = Mutex<[Int: Swift.Result<Result, any Error>]>([:])
    let group = DispatchGroup()
    for rank in 0..<count {
      group.enter()
      Thread.detachNewThread {
        let outcome = Swift.Result { try body(ThreadCommunicator(rank: rank, world)) }
        outcomes.withLock { $0[rank] = outcome }
        group.leave()
      }
    }
    group.wait()
    return try outcomes.withLock { outcomes in try (0..<count).map { try outcomes[$0]!.get() } }
  }
}

/// The bytes on their way, by sender and receiver.
final class ThreadWorld: Sendable {
  fileprivate struct Route: Hashable { let sender, receiver: Int }

  let count: Int
  fileprivate let underWay = Mutex<[Route: [UInt8]]>([:])

  init(count: Int) { self.count = count }
}

public final class ThreadCommunicator: Communicator {
  public let rank: Int
  public var rankCount: Int { world.count }
  private let world: ThreadWorld
  private let sentBytes = Atomic(0)

  init(rank: Int, _ world: ThreadWorld) {
    self.rank = rank
    self.world = world
  }

  /// How many bytes this rank has sent.
  public var sentByteCount: Int { sentBytes.load(ordering: .relaxed) }

  public func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) {
    sentBytes.add(bytes.count, ordering: .relaxed)
    world.underWay.withLock { $0[.init(sender: self.rank, receiver: rank), default: []] += bytes }
  }

  /// Returns at once: nothing here has memory to spare.
  public func awaitSends(leaving byteCount: Int) {}

  public func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int) {
    let route = ThreadWorld.Route(sender: rank, receiver: self.rank)
    while true {
      let isThere = world.underWay.withLock { underWay in
        guard let arrived = underWay[route], arrived.count >= bytes.count else { return false }
        bytes.copyBytes(from: arrived.prefix(bytes.count))
        underWay[route] = Array(arrived.dropFirst(bytes.count))
        return true
      }
      if isThere { return }
      usleep(20)
    }
  }

  public func hasMessage(from rank: Int) -> Bool {
    let route = ThreadWorld.Route(sender: rank, receiver: self.rank)
    return world.underWay.withLock { !($0[route] ?? []).isEmpty }
  }
}
