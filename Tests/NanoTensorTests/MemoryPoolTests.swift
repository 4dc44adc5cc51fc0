import Foundation
import Testing

@testable import NanoTensor

/// What was freed last comes first, but what another thread freed comes last.
@Test func aThreadTakesItsOwnBlocksBackFirst() {
  let pool = MemoryPool()
  func allocate() -> (memory: UInt, capacity: Int) {
    let block = pool.allocate(bytes: 4_000)
    return (UInt(bitPattern: block.memory), block.capacity)
  }
  @Sendable func free(_ block: (memory: UInt, capacity: Int)) {
    pool.deallocate(UnsafeMutableRawPointer(bitPattern: block.memory)!, capacity: block.capacity)
  }
  let blocks = (0..<3).map { _ in allocate() }
  free(blocks[0])
  free(blocks[1])
  let isFreed = DispatchSemaphore(value: 0)
  let other = Thread {
    free(blocks[2])
    isFreed.signal()
  }
  other.start()
  isFreed.wait()
  #expect(pool.statistics.cachedBytes == 3 * blocks[0].capacity)
  #expect((0..<3).map { _ in allocate().memory } == [1, 0, 2].map { blocks[$0].memory })
  #expect(pool.statistics.cachedBytes == 0)
  for block in blocks { free(block) }
  pool.trim()
}

@Test func onlyLargeRequestsTakeLargerBlocks() {
  let pool = MemoryPool()
  func capacity(_ bytes: Int) -> Int {
    let block = pool.allocate(bytes: bytes)
    pool.deallocate(block.memory, capacity: block.capacity)
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
