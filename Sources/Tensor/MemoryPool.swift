internal import Foundation
internal import Synchronization

/// Where all tensor memory comes from: counted, 64-byte aligned, and reused.
///
/// A freed block goes to a list of its size class and serves the next allocation of that class, preferably on
/// the same thread, so a training step that repeats the last one's allocations touches no fresh page. Large blocks are
/// cut and joined as they are needed (``LargeBlocks``), since what a large model holds is to be little more than what is
/// live at most.
public final class MemoryPool: Sendable {
  /// The pool of every ``Tensor``.
  public static let shared = MemoryPool()

  /// A reading of the pool.
  public struct Statistics: Hashable, Sendable {
    /// Bytes in live tensors.
    public var currentBytes = 0
    /// The most bytes that were ever live at once, since the start or the last reset.
    public var peakBytes = 0
    /// Bytes held for reuse.
    public var cachedBytes = 0
    /// Allocations served so far.
    public var allocationCount = 0
  }

  private struct State {
    var statistics = Statistics()
    var limit = Int.max
    var isEnforced = false
    /// What would have been live at the first allocation that passed the limit.
    var needBeyondLimit: Int?
    var largestBlock = 0
    var reserve = MemoryReserve()
    var refusalHandler: @Sendable (Int) -> Never = { bytes in
      fatalError("MemoryPool: out of memory: the system refused \(bytes) bytes")
    }
    var free = FreeBlocks()
    var large = LargeBlocks()
  }

  private let state = Mutex(State())
  private let limitWasPassed = Atomic(false)

  /// What tensors take now, and took at most.
  public var statistics: Statistics { state.withLock { $0.statistics } }

  /// Starts a new peak measurement from what is live now.
  public func resetPeak() {
    state.withLock { $0.statistics.peakBytes = $0.statistics.currentBytes }
  }

  /// The most bytes that tensors may hold in work that can be given up; nil for no limit.
  public var limit: Int? {
    get { state.withLock { $0.limit == .max ? nil : $0.limit } }
    set { state.withLock { $0.limit = newValue ?? .max } }
  }

  /// A limit that stays below what the system has left: going on until it refuses an allocation, or ends the
  /// process, would be too late. Processes that an MPI launcher started on this machine have equal shares. Nil where the
  /// system does not say what it has.
  public var systemLimit: Int? {
    guard let available = SystemMemory.availableBytes else { return nil }
    let held = state.withLock { $0.statistics.currentBytes + $0.statistics.cachedBytes }
    return held + available / EnvironmentVariables.localRankCount() / 4 * 3
  }

  /// Runs work that can be given up when it needs more memory than the limit.
  ///
  /// The allocation that passes the limit, or that the system refuses, succeeds all the same (the latter from
  /// a reserve), since no operation could go on without; but from then on ``isOverLimit`` tells the work to
  /// end early, and what it returns is worth nothing. One such work runs at a time.
  /// - Returns: what `body` returned, or in `needed` the bytes that would have been live.
  public func enforcingLimit<Result>(_ body: () -> Result) -> (result: Result, needed: Int?) {
    state.withLock { state in
      state.isEnforced = true
      state.largestBlock = 0
      state.reserve.limit(tensorsHolding: state.statistics.currentBytes + state.statistics.cachedBytes)
      state.reserve.hold(64 << 20)
    }
    limitWasPassed.store(false, ordering: .relaxed)
    let result = body()
    limitWasPassed.store(false, ordering: .relaxed)
    return (
      result,
      state.withLock { state in
        state.isEnforced = false
        state.reserve.release()
        defer { state.needBeyondLimit = nil }
        return state.needBeyondLimit
      }
    )
  }

  /// Whether the work that runs in ``enforcingLimit(_:)`` has passed the limit.
  public var isOverLimit: Bool { limitWasPassed.load(ordering: .relaxed) }

  /// Ends the process when the system refuses memory that no work can go on without: called with the bytes
  /// that it was asked for. Traps by default; a command sets one that says what to do.
  public var refusalHandler: @Sendable (Int) -> Never {
    get { state.withLock { $0.refusalHandler } }
    set { state.withLock { $0.refusalHandler = newValue } }
  }

  /// Gives every block that is held for reuse back to the system.
  public func trim() {
    let blocks = state.withLock { state in
      let small = state.free.takeAll()
      let large = state.large.takeWholeRegions()
      state.statistics.cachedBytes -= small.bytes + large.bytes
      return small.blocks + large.starts
    }
    giveBack(blocks)
  }

  private func giveBack(_ blocks: [UInt]) {
    for block in blocks { free(UnsafeMutableRawPointer(bitPattern: block)) }
  }

  /// Memory in use.
  struct Block {
    let memory: UnsafeMutableRawPointer
    let capacity: Int
    /// What of it counts as held: the class of the request, whatever block serves it.
    let heldBytes: Int
    /// The allocation's number.
    let number: UInt64
    /// Of a large block, where what it is a part of starts.
    var region: UInt?
  }

  /// The most that is held for reuse while fresh memory is asked for, as a share of what was live at most.
  private static let idleShare = 32

  /// At least `bytes` of memory.
  func allocate(bytes: Int) -> Block {
    guard bytes < LargeBlocks.smallestBytes else { return allocateLarge(bytes: bytes) }
    let wanted = SizeClass(fitting: bytes)
    let (reused, number, mustTrim) = state.withLock { state in
      count(wanted.bytes, &state)
      let block = state.free.take(wanted)
      if let block { state.statistics.cachedBytes -= block.sizeClass.bytes }
      let held = state.statistics.currentBytes + state.statistics.cachedBytes
      return (block, UInt64(state.statistics.allocationCount), held > state.limit)
    }
    if let reused, let memory = UnsafeMutableRawPointer(bitPattern: reused.block) {
      return Block(
        memory: memory, capacity: reused.sizeClass.bytes, heldBytes: wanted.bytes, number: number)
    }
    // Blocks kept for reuse are memory too: they go before the pool grows beyond the limit.
    if mustTrim { trim() }
    return Block(
      memory: freshBlock(wanted.bytes), capacity: wanted.bytes, heldBytes: wanted.bytes,
      number: number)
  }

  private func allocateLarge(bytes: Int) -> Block {
    let bytes = LargeBlocks.bytes(fitting: bytes)
    let (reused, number, mustTrim, idle) = state.withLock { state in
      count(bytes, &state)
      let block = state.large.take(bytes)
      if block != nil { state.statistics.cachedBytes -= bytes }
      let held = state.statistics.currentBytes + state.statistics.cachedBytes
      var idle: [UInt] = []
      let most = state.statistics.peakBytes + state.statistics.peakBytes / Self.idleShare
      if block == nil, held > most {
        let whole = state.large.takeWholeRegions(bytes: held - most)
        state.statistics.cachedBytes -= whole.bytes
        idle = whole.starts
      }
      return (block, UInt64(state.statistics.allocationCount), held > state.limit, idle)
    }
    func block(_ memory: UnsafeMutableRawPointer, _ region: UInt) -> Block {
      Block(memory: memory, capacity: bytes, heldBytes: bytes, number: number, region: region)
    }
    if let reused, let memory = UnsafeMutableRawPointer(bitPattern: reused.start) {
      return block(memory, reused.region)
    }
    giveBack(idle)
    if mustTrim { trim() }
    let memory = freshBlock(bytes)
    let region = UInt(bitPattern: memory)
    state.withLock { $0.large.addRegion(region, bytes: bytes) }
    return block(memory, region)
  }

  /// Counts an allocation.
  private func count(_ bytes: Int, _ state: inout State) {
    state.statistics.allocationCount += 1
    state.statistics.currentBytes += bytes
    state.largestBlock = max(state.largestBlock, bytes)
    if state.isEnforced && state.statistics.currentBytes > state.limit { giveUp(&state) }
    // What work that is given up holds until it ends is not what the work that counts needs.
    if state.needBeyondLimit == nil {
      state.statistics.peakBytes = max(state.statistics.peakBytes, state.statistics.currentBytes)
    }
  }

  /// Lets the work that runs in ``enforcingLimit(_:)`` know that it must end.
  private func giveUp(_ state: inout State) {
    if state.needBeyondLimit == nil { state.needBeyondLimit = state.statistics.currentBytes }
    limitWasPassed.store(true, ordering: .relaxed)
  }

  /// Memory from the system. When it refuses, blocks held for reuse go back first, then the reserve; then
  /// other threads get a moment to notice that their work is over.
  private func freshBlock(_ bytes: Int) -> UnsafeMutableRawPointer {
    if let block = alignedAllocation(bytes) {
      // Room for what operations allocate before the work looks whether it is over the limit.
      state.withLock { state in
        if state.isEnforced { state.reserve.hold(4 * state.largestBlock) }
      }
      return block
    }
    let canGiveUp = state.withLock { state in
      guard state.isEnforced else { return false }
      giveUp(&state)
      state.reserve.release()
      return true
    }
    for _ in 0..<(canGiveUp ? 100 : 1) {
      trim()
      if let block = alignedAllocation(bytes) { return block }
      usleep(10_000)
    }
    refuse(bytes)
  }

  /// Ends the process for want of so many bytes.
  func refuse(_ bytes: Int) -> Never { state.withLock { $0.refusalHandler }(bytes) }

  private func alignedAllocation(_ bytes: Int) -> UnsafeMutableRawPointer? {
    MemoryGuard.allocate(bytes, alignment: 64)
  }

  func deallocate(_ block: Block) {
    let address = UInt(bitPattern: block.memory)
    state.withLock { state in
      state.statistics.currentBytes -= block.heldBytes
      state.statistics.cachedBytes += block.capacity
      if let region = block.region {
        state.large.add(address, bytes: block.capacity, region: region)
      } else {
        state.free.add(address, SizeClass(fitting: block.capacity))
      }
    }
  }
}
