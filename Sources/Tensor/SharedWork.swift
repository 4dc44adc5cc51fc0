/// Work of one operation that the threads of a pool share.
///
/// Where a batch is worked through by several threads at once, each operation runs on one. Where it is not, as when a model
/// is so large that a gradient a thread would not fit, threads share each operation: ``WorkerPool/sharingOperations(_:)``
/// says so for what it runs. How the work is cut depends on its extents alone, so that results have the same bits on any
/// number of threads.
package enum SharedWork {
  /// Whose threads share the operations of the calling thread; nil where each operation is its thread's alone.
  @TaskLocal fileprivate static var pool: WorkerPool?

  /// Numbers of an elementwise operation worth a thread's while: some ten microseconds.
  private static let numbersPerPart = 1 << 16

  /// Whether threads share the operations of the calling thread.
  package static var isShared: Bool { pool != nil }

  /// Runs `body` for parts of `size` items, the last one shorter, of `count`; where threads do not share operations, or
  /// there is one part, for all items at once.
  ///
  /// No part may write what another reads or writes; the compiler does not check that.
  package static func forEachPart(of count: Int, size: Int, _ body: (Range<Int>) -> Void) {
    guard count > size, let pool else { return body(0..<count) }
    // What a part does is its thread's alone, on the calling thread as on any other.
    $pool.withValue(nil) {
      pool.fork((count + size - 1) / size) { body($0 * size..<min(count, ($0 + 1) * size)) }
    }
  }

  /// The same for the numbers of an elementwise operation.
  package static func forEachPart(ofNumbers count: Int, _ body: (Range<Int>) -> Void) {
    forEachPart(of: count, size: numbersPerPart, body)
  }

  /// The same for rows of so many numbers.
  package static func forEachPart(ofRows count: Int, width: Int, _ body: (Range<Int>) -> Void) {
    forEachPart(of: count, size: rowsPerPart(of: count, width: width), body)
  }

  /// How many of so many rows make a part, all parts alike.
  package static func rowsPerPart(of count: Int, width: Int) -> Int {
    let most = max(1, numbersPerPart / max(1, width))
    let parts = max(1, (count + most - 1) / most)
    return max(1, (count + parts - 1) / parts)
  }

  /// The sum over parts, as ``forEachPart(of:size:_:)`` makes them, of what `body` returns, in their order.
  package static func sum(of count: Int, size: Int, _ body: (Range<Int>) -> Double) -> Double {
    guard count > size, isShared else { return body(0..<count) }
    var sums = [Double](repeating: 0, count: (count + size - 1) / size)
    sums.withUnsafeMutableBufferPointer { sums in
      forEachPart(of: count, size: size) { sums[$0.lowerBound / size] = body($0) }
    }
    return sums.reduce(0, +)
  }
}

extension WorkerPool {
  /// Runs `body`, with this pool's threads sharing the work of its larger operations.
  public func sharingOperations<Result>(_ body: () -> Result) -> Result {
    SharedWork.$pool.withValue(self) { body() }
  }

  /// The same as ``run(_:_:)`` without the compiler's check that indices write nothing in common.
  fileprivate func fork(_ count: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      nonisolated(unsafe) let body = body
      run(count) { body($0) }
    }
  }
}
