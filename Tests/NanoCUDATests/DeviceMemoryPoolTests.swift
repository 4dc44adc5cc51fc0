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
  let first = try #require(pool.allocate(bytes: 1000, from: system.allocate))
  let second = try #require(pool.allocate(bytes: 9 << 20, from: system.allocate))
  #expect(first.address % 256 == 0 && first.bytes >= 1000 && second.bytes >= 9 << 20)
  #expect(pool.statistics.currentBytes == first.bytes + second.bytes)
  pool.deallocate(first)
  #expect(pool.statistics.currentBytes == second.bytes && pool.statistics.peakBytes == first.bytes + second.bytes)
  let (granted, again) = (system.granted, try #require(pool.allocate(bytes: 900, from: system.allocate)))
  #expect(again.address == first.address && system.granted == granted)
}

@Test func aGraphKeepsItsBlocksUntilItIsGone() throws {
  let system = System()
  var pool = DeviceMemoryPool()
  pool.addGraph(1)
  pool.owner = 1
  let inner = try #require(pool.allocate(bytes: 8 << 20, from: system.allocate))
  pool.deallocate(inner)
  let second = try #require(pool.allocate(bytes: 8 << 20, from: system.allocate))
  #expect(second.address == inner.address)
  pool.owner = 0
  pool.deallocate(second)
  // The graph writes there again whenever it runs.
  let outer = try #require(pool.allocate(bytes: 8 << 20, from: system.allocate))
  #expect(outer.address != inner.address)
  #expect(pool.takeFreeBlocks().isEmpty)
  pool.releaseBlocks(of: 1)
  #expect(pool.takeFreeBlocks() == [inner.address])
}

@Test func aSystemWithoutMemoryGivesNoBlock() throws {
  let system = System(limit: 40 << 20)
  var pool = DeviceMemoryPool()
  let block = try #require(pool.allocate(bytes: 30 << 20, from: system.allocate))
  #expect(pool.allocate(bytes: 30 << 20, from: system.allocate) == nil)
  #expect(pool.statistics.currentBytes == block.bytes)
}
