/// Processes, or threads that stand for them, that send one another bytes: the ranks 0, 1 and so on.
///
/// What two ranks send each other arrives in order. A failure of the network ends all ranks, so nothing here throws.
public protocol Communicator: AnyObject, Sendable {
  /// The number of this process or thread, from 0 to below ``rankCount``.
  var rank: Int { get }
  /// How many ranks there are.
  var rankCount: Int { get }

  /// Begins to send and returns at once, whatever the other rank does meanwhile; `bytes` may change again.
  func send(_ bytes: UnsafeRawBufferPointer, to rank: Int)

  /// Waits until at most so many bytes that this rank has sent are not received yet.
  func awaitSends(leaving byteCount: Int)

  /// Waits for as many bytes from another rank.
  func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int)

  /// Whether another rank has sent something that is not received yet.
  func hasMessage(from rank: Int) -> Bool
}

/// The only rank there is.
public final class SingleRank: Communicator {
  /// Rank 0 of one, with nobody to send to.
  public init() {}

  public var rank: Int { 0 }
  public var rankCount: Int { 1 }
  public func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) { fatalError("SingleRank: no rank \(rank)") }
  public func awaitSends(leaving byteCount: Int) {}
  public func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int) {
    fatalError("SingleRank: no rank \(rank)")
  }
  public func hasMessage(from rank: Int) -> Bool { false }
}
