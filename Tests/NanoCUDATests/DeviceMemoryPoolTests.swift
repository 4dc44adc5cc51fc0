import Testing

@testable import NanoCUDA

/// A system that grants addresses one after the other, up to a limit.
private final class System {
  private(set) var granted = 0
  let limit: Int

  init(limit: Int = .max) { self.limit = limit }

  func allocate(_ bytes: Int) -> UInt? {
    guard granted + bytes <= limit else { return nil }
    defer { granted += bytes }
    return UInt(1 << 40 + granted)
  }
}

@Test func blocksAreReusedCountedAndAligned() throws {
  let system = System()
  var pool = DeviceMemoryPool()
  let firstBlock = pool.allocate(bytes: 1000, from: system.allocate)
  let first = try #require(firstBlock)
  let secondBlock = pool.allocate(bytes: 9 << 20, from: system.allocate)
  let second = try #require(secondBlock)
  #expect(first.address % 256 == 0 && first.bytes >= 1000 && second.bytes >= 9 << 20)
  #expect(pool.statistics.currentBytes == first.bytes + second.bytes)
  pool.deallocate(first)
  #expect(pool.statistics.currentBytes == second.bytes && pool.statistics.peakBytes == first.bytes + second.bytes)
  let granted = system.granted
  let againBlock = pool.allocate(bytes: 900, from: system.allocate)
  let again = try #require(againBlock)
  #expect(again.address == first.address && system.granted == granted)
}

@Test func aGraphKeepsItsBlocksUntilItIsGone() throws {
  let system = System()
  var pool = DeviceMemoryPool()
  pool.addGraph(1)
  pool.owner = 1
  let innerBlock = pool.allocate(bytes: 8 << 20, from: system.allocate)
  let inner = try #require(innerBlock)
  pool.deallocate(inner)
  let secondBlock = pool.allocate(bytes: 8 << 20, from: system.allocate)
  let second = try #require(secondBlock)
  #expect(second.address == inner.address)
  pool.owner = 0
  pool.deallocate(second)
  // The graph writes there again whenever it runs.
  let outerBlock = pool.allocate(bytes: 8 << 20, from: system.allocate)
  let outer = try #require(outerBlock)
  #expect(outer.address != inner.address)
  let before = pool.takeFreeBlocks()
  pool.releaseBlocks(of: 1)
  let after = pool.takeFreeBlocks()
  #expect(before.isEmpty && after == [inner.address])
}

@Test func aSystemWithoutMemoryGivesNoBlock() throws {
  let system = System(limit: 40 << 20)
  var pool = DeviceMemoryPool()
  let blockBlock = pool.allocate(bytes: 30 << 20, from: system.allocate)
  let block = try #require(blockBlock)
  let refused = pool.allocate(bytes: 30 << 20, from: system.allocate)
  #expect(refused == nil)
  #expect(pool.statistics.currentBytes == block.bytes)
}
