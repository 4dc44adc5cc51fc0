internal import CNanoKernels

/// One of the threads that go through a computation together, each doing its part of every step.
package struct Team {
  package let index: Int
  /// Members, this one included.
  package let count: Int
  let barrier: UnsafeMutablePointer<nk_barrier>

  /// Returns when all have come here: what each wrote before is there for all.
  package func wait() {
    if count > 1 { nk_barrier_wait(barrier, UInt32(count)) }
  }

  /// This member's part of `total` items, in whole groups but for the last.
  package func part(of total: Int, inGroupsOf size: Int = 1) -> Range<Int> {
    let groups = (total + size - 1) / size
    return min(total, groups * index / count * size)..<min(total, groups * (index + 1) / count * size)
  }
}
