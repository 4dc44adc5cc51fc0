internal import Foundation
internal import Synchronization

/// Where all tensor memory comes from: counted, 64-byte aligned, and reused.
///
/// A freed block goes to a list of its size class and serves the next allocation of that class, so a
/// training step that repeats the last one's allocations touches no fresh page.
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
    var free: [[UInt]] = Array(repeating: [], count: SizeClass.count)
  }

  private let state = Mutex(State())
  private let limitWasPassed = Atomic(false)

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

  /// Runs work that can be given up when it needs more memory than the limit.
  ///
  /// The allocation that passes the limit succeeds all the same, since no operation could go on without; but
  /// from then on ``isOverLimit`` tells the work to end early, and what it returns is worth nothing. One
  /// such work runs at a time.
  /// - Returns: what `body` returned, or in `needed` the bytes that would have been live.
  public func enforcingLimit<Result>(_ body: () -> Result) -> (result: Result, needed: Int?) {
    state.withLock { state in
      state.isEnforced = true
      state.needBeyondLimit = nil
    }
    limitWasPassed.store(false, ordering: .relaxed)
    let result = body()
    limitWasPassed.store(false, ordering: .relaxed)
    return (
      result,
      state.withLock { state in
        state.isEnforced = false
        return state.needBeyondLimit
      }
    )
  }

  /// Whether the work that runs in ``enforcingLimit(_:)`` has passed the limit.
  public var isOverLimit: Bool { limitWasPassed.load(ordering: .relaxed) }

  /// Gives every block that is held for reuse back to the system.
  public func trim() {
    let blocks = state.withLock { state in
      state.statistics.cachedBytes = 0
      let blocks = state.free.flatMap { $0 }
      for index in state.free.indices { state.free[index].removeAll() }
      return blocks
    }
    for block in blocks { free(UnsafeMutableRawPointer(bitPattern: block)) }
  }

  /// - Returns: at least `bytes` of memory, the capacity to hand back with it, and the allocation's number.
  func allocate(bytes: Int) -> (memory: UnsafeMutableRawPointer, capacity: Int, number: UInt64) {
    let sizeClass = SizeClass(fitting: bytes)
    let capacity = sizeClass.bytes
    let (reused, number) = state.withLock { state -> (UInt?, UInt64) in
      state.statistics.allocationCount += 1
      state.statistics.currentBytes += capacity
      if state.isEnforced && state.statistics.currentBytes > state.limit {
        if state.needBeyondLimit == nil {
          state.needBeyondLimit = state.statistics.currentBytes
          limitWasPassed.store(true, ordering: .relaxed)
        }
      } else {
        state.statistics.peakBytes = max(state.statistics.peakBytes, state.statistics.currentBytes)
      }
      let block = state.free[sizeClass.index].popLast()
      if block != nil { state.statistics.cachedBytes -= capacity }
      return (block, UInt64(state.statistics.allocationCount))
    }
    if let reused, let memory = UnsafeMutableRawPointer(bitPattern: reused) {
      return (memory, capacity, number)
    }
    return (freshBlock(capacity), capacity, number)
  }

  /// Memory from the system. When it refuses, blocks held for reuse go back first.
  private func freshBlock(_ bytes: Int) -> UnsafeMutableRawPointer {
    if let block = alignedAllocation(bytes) { return block }
    trim()
    guard let block = alignedAllocation(bytes) else {
      fatalError("out of memory: the system refused \(bytes) bytes; set a --memory-limit below what it has")
    }
    return block
  }

  private func alignedAllocation(_ bytes: Int) -> UnsafeMutableRawPointer? {
    var block: UnsafeMutableRawPointer?
    return posix_memalign(&block, 64, bytes) == 0 ? block : nil
  }

  func deallocate(_ memory: UnsafeMutableRawPointer, capacity: Int) {
    let address = UInt(bitPattern: memory)
    state.withLock { state in
      state.statistics.currentBytes -= capacity
      state.statistics.cachedBytes += capacity
      state.free[SizeClass(fitting: capacity).index].append(address)
    }
  }
}

/// Block sizes: four per power of two from 256 bytes up, so at most a fifth of a block is unused.
private struct SizeClass {
  static let count = 4 * 48
  let index: Int
  let bytes: Int

  init(fitting request: Int) {
    let quanta = max(request, 256)
    let exponent = Int.bitWidth - 1 - (quanta - 1).leadingZeroBitCount
    // 2^exponent < quanta <= 2^(exponent + 1), split into four steps.
    let step = 1 << (exponent - 2)
    let steps = (quanta - (1 << exponent) + step - 1) / step
    bytes = (1 << exponent) + steps * step
    index = (exponent - 7) * 4 + steps
  }
}
