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
  for unit in [1 << 10, 1 << 16] {
    let isLarge = unit == 1 << 16
    #expect(capacity(7 * unit) == 7 * unit)
    #expect(capacity(4 * unit) == (isLarge ? 7 : 4) * unit)
    #expect(capacity(7 * unit / 2) == 7 * unit / 2)  // half as large: a block of its own
    #expect(pool.statistics.cachedBytes == (isLarge ? 10 * unit + unit / 2 : 14 * unit + unit / 2))
    pool.trim()
  }
}

@Test func largeBlocksAreCutAndJoined() {
  let (pool, unit) = (MemoryPool(), 1 << 20)
  let whole = pool.allocate(bytes: 9 * unit)
  pool.deallocate(whole)
  let parts = (0..<3).map { _ in pool.allocate(bytes: 3 * unit) }
  #expect(parts.map(\.memory) == (0..<3).map { whole.memory + $0 * 3 * unit })
  #expect(pool.statistics.cachedBytes == 0 && pool.statistics.currentBytes == 9 * unit)
  for index in [0, 2, 1] { pool.deallocate(parts[index]) }
  #expect(pool.allocate(bytes: 9 * unit).memory == whole.memory)
}

@Test func blocksFitAsWellAsTheyCan() {
  let (pool, unit) = (MemoryPool(), 1 << 20)
  let blocks = [8, 2, 4].map { pool.allocate(bytes: $0 * unit) }
  for block in blocks { pool.deallocate(block) }
  #expect(pool.allocate(bytes: 3 * unit).memory == blocks[2].memory)
  #expect(pool.allocate(bytes: 2 * unit).memory == blocks[1].memory)
  #expect(pool.allocate(bytes: unit).memory == blocks[2].memory + 3 * unit)
}

/// What is held is little more than what was live at most, whatever the sizes of blocks.
@Test func idleMemoryGoesBackBeforeMoreIsTaken() {
  let (pool, unit) = (MemoryPool(), 1 << 20)
  for size in [3, 4, 5, 6] {
    let blocks = (0..<60 / size).map { _ in pool.allocate(bytes: size * unit) }
    for block in blocks { pool.deallocate(block) }
  }
  #expect(pool.statistics.peakBytes == 60 * unit)
  #expect(pool.statistics.cachedBytes <= 62 * unit)
  let held = pool.allocate(bytes: unit)
  pool.trim()
  #expect(pool.statistics.cachedBytes < 6 * unit)  // the rest of the region that a block lies in
  pool.deallocate(held)
  pool.trim()
  #expect(pool.statistics.cachedBytes == 0)
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
