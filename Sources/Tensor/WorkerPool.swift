internal import CNanoKernels
internal import Foundation
internal import NanoPreconditions
internal import Synchronization

/// A fixed set of threads that run the indices of a loop, joined again in about a microsecond.
///
/// What an index computes must not depend on which thread runs it, so that results are the same on any
/// number of threads.
public final class WorkerPool: @unchecked Sendable {
  /// One thread a processor core, or what a container's time suffices for; of an MPI launcher's processes on one machine
  /// each has its share (`NANO_THREADS` overrides).
  public static let shared = WorkerPool(threadCount: defaultThreadCount)

  /// Threads that work during ``run(_:_:)``, the calling one included.
  public let threadCount: Int
  private let pool: OpaquePointer
  private let isBusy = Atomic(false)

  /// - Precondition: `threadCount` is positive and the system grants the threads.
  public init(threadCount: Int) {
    checkPrecondition(threadCount > 0, "WorkerPool: \(threadCount) threads")
    guard let pool = nk_worker_pool_create(threadCount - 1) else {
      fatalError("WorkerPool: the system refused \(threadCount - 1) threads")
    }
    self.threadCount = threadCount
    self.pool = pool
  }

  deinit { nk_worker_pool_destroy(pool) }

  private static var defaultThreadCount: Int {
    if let requested = EnvironmentVariables.threadCount { return requested }
    let cores = max(1, ProcessInfo.processInfo.activeProcessorCount)
    // A launcher may have given each of its processes cores of its own: then the share is less than these.
    let share = ProcessInfo.processInfo.processorCount / EnvironmentVariables.localRankCount()
    return max(1, min(cores, share, ControlGroups().processorLimit ?? cores))
  }

  /// Runs `body` for every index below `count` and returns when all have ended. A run inside a run, or
  /// beside one, goes through its indices on the calling thread alone.
  public func run(_ count: Int, _ body: @Sendable (Int) -> Void) {
    guard count > 1, claim() else {
      for index in 0..<count { body(index) }
      return
    }
    runClaimed(count, body)
  }

  /// Runs `body` once for each member of a team of at most `members` threads, all at the same time, so that they can wait
  /// for each other. A run inside a run, or beside one, is that of a team of one.
  ///
  /// Between two waits a member writes what no other reads or writes; the compiler does not check that.
  package func runTogether(_ members: Int, _ body: (Team) -> Void) {
    let count = min(members, threadCount)
    var barrier = nk_barrier()
    withUnsafeMutablePointer(to: &barrier) { barrier in
      guard count > 1, claim() else {
        body(Team(index: 0, count: 1, barrier: barrier))
        return
      }
      runClaimed(count) { body(Team(index: $0, count: count, barrier: barrier)) }
    }
  }

  /// Whether the threads were idle and are the caller's now.
  private func claim() -> Bool { threadCount > 1 && !isBusy.exchange(true, ordering: .acquiring) }

  private func runClaimed(_ count: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: body) { context in
        nk_worker_pool_run(
          pool, count,
          { context, index in context!.assumingMemoryBound(to: ((Int) -> Void).self).pointee(index) },
          UnsafeMutableRawPointer(mutating: context))
      }
    }
    isBusy.store(false, ordering: .releasing)
  }
}
