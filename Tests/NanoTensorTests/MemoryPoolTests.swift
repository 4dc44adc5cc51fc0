import Foundation
import Testing

@testable import NanoTensor

/// What was freed last comes first, but what another thread freed comes last.
@Test func aThreadTakesItsOwnBlocksBackFirst() {
  let pool = MemoryPool()
  nonisolated(unsafe) let blocks = (0..<3).map { _ in pool.allocate(bytes: 4_000) }
  pool.deallocate(blocks[0])
  pool.deallocate(blocks[1])
  let isFreed = DispatchSemaphore(value: 0)
  let other = Thread {
    pool.deallocate(blocks[2])
    isFreed.signal()
  }
  other.start()
  isFreed.wait()
  #expect(pool.statistics.cachedBytes == 3 * blocks[0].capacity)
  #expect(
    (0..<3).map { _ in pool.allocate(bytes: 4_000).memory } == [1, 0, 2].map { blocks[$0].memory })
  #expect(pool.statistics.cachedBytes == 0)
  for block in blocks { pool.deallocate(block) }
  pool.trim()
}

@Test func onlyLargeRequestsTakeLargerBlocks() {
  let pool = MemoryPool()
  func capacity(_ bytes: Int) -> Int {
    let block = pool.allocate(bytes: bytes)
    #expect(pool.statistics.currentBytes == bytes)  // whatever block serves it
    pool.deallocate(block)
    #expect(pool.statistics.currentBytes == 0)
    return block.capacity
  }
  for unit in [1 << 10, 1 << 20] {
    let isLarge = unit == 1 << 20
    #expect(capacity(7 * unit) == 7 * unit)
    #expect(capacity(4 * unit) == (isLarge ? 7 : 4) * unit)
    #expect(capacity(7 * unit / 2) == 7 * unit / 2)  // half as large: a block of its own
    #expect(pool.statistics.cachedBytes == (isLarge ? 10 * unit + unit / 2 : 14 * unit + unit / 2))
    pool.trim()
  }
}

/// Bytes that `make` adds to the pool. Tests beside this one use the pool too: the reading counts that is seen
/// before and after undisturbed.
func pooledBytes<Kept>(_ make: () -> Kept) -> Int? {
  for _ in 0..<100_000 {
    let before = MemoryPool.shared.statistics
    let during = withExtendedLifetime(make()) { MemoryPool.shared.statistics.currentBytes }
    let after = MemoryPool.shared.statistics
    if after.currentBytes == before.currentBytes && after.allocationCount == before.allocationCount + 1 {
      return during - before.currentBytes
    }
  }
  return nil
}

@Test func memoryIsCounted() throws {
  let bytes = try #require(pooledBytes { Tensor(zeros: [100, 100]) })
  #expect(bytes >= 40_000 && bytes <= 50_000)
}
