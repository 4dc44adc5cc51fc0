/// The memory of a device: counted, 256-byte aligned, and reused.
///
/// All work is on one stream, so a freed block may serve the next allocation at once: what reads it comes
/// before what writes it. While a graph is recorded, blocks come from a list of the graph's own and return
/// to it, since the graph writes to their addresses again each time it runs.
package struct DeviceMemoryPool {
  package struct Statistics: Hashable, Sendable {
    /// Bytes in live tensors.
    package var currentBytes = 0
    /// The most that were ever live at once, since the start or the last reset.
    package var peakBytes = 0
    /// Bytes taken from the driver.
    package var reservedBytes = 0
  }

  struct Block {
    let address: UInt
    let bytes: Int
    /// 0, or the number of the graph that the block belongs to.
    let owner: Int
  }

  private(set) var statistics = Statistics()
  /// Whose blocks allocations come from.
  var owner = 0
  private var graphs: Set<Int> = []
  /// Free blocks, by owner and size.
  private var free: [Int: [Int: [UInt]]] = [:]
  /// Free blocks that were allocated by themselves can go back to the driver.
  private var separate: Set<UInt> = []
  private var slab: (next: UInt, remaining: Int)?

  private static let slabBytes = 32 << 20
  private static let largestInSlab = 4 << 20

  mutating func resetPeak() { statistics.peakBytes = statistics.currentBytes }

  /// Eight sizes a power of two, from 256 bytes.
  static func size(fitting request: Int) -> Int {
    let bytes = max(request, 256)
    let step = max(256, (1 << (Int.bitWidth - 1 - (bytes - 1).leadingZeroBitCount)) / 8)
    return (bytes + step - 1) / step * step
  }

  /// A block, or nil when `system` has no more.
  mutating func allocate(bytes request: Int, from system: (Int) -> UInt?) -> Block? {
    let bytes = Self.size(fitting: request)
    guard let (address, size) = reused(bytes) ?? fresh(bytes, from: system).map({ ($0, bytes) }) else { return nil }
    statistics.currentBytes += size
    statistics.peakBytes = max(statistics.peakBytes, statistics.currentBytes)
    return Block(address: address, bytes: size, owner: owner)
  }

  /// A free block of that size, or of at most a quarter more.
  private mutating func reused(_ bytes: Int) -> (UInt, Int)? {
    var size = bytes
    while size <= bytes + bytes / 4 {
      if let address = free[owner]?[size]?.popLast() { return (address, size) }
      size = Self.size(fitting: size + 1)
    }
    return nil
  }

  private mutating func fresh(_ bytes: Int, from system: (Int) -> UInt?) -> UInt? {
    guard bytes <= Self.largestInSlab else {
      guard let address = system(bytes) else { return nil }
      statistics.reservedBytes += bytes
      separate.insert(address)
      return address
    }
    if slab.map({ $0.remaining < bytes }) ?? true {
      guard let address = system(Self.slabBytes) else { return nil }
      statistics.reservedBytes += Self.slabBytes
      slab = (address, Self.slabBytes)
    }
    defer { slab = (slab!.next + UInt(bytes), slab!.remaining - bytes) }
    return slab!.next
  }

  mutating func deallocate(_ block: Block) {
    statistics.currentBytes -= block.bytes
    let owner = graphs.contains(block.owner) ? block.owner : 0
    free[owner, default: [:]][block.bytes, default: []].append(block.address)
  }

  /// From now on a graph has blocks of its own.
  mutating func addGraph(_ owner: Int) { graphs.insert(owner) }

  /// Gives the blocks of a graph that is gone to everyone.
  mutating func releaseBlocks(of owner: Int) {
    graphs.remove(owner)
    for (size, addresses) in free.removeValue(forKey: owner) ?? [:] {
      free[0, default: [:]][size, default: []] += addresses
    }
  }

  /// Free blocks that can go back to the driver.
  mutating func takeFreeBlocks() -> [UInt] {
    var taken: [UInt] = []
    for (size, addresses) in free[0] ?? [:] {
      let returned = addresses.filter { separate.contains($0) }
      taken += returned
      statistics.reservedBytes -= size * returned.count
      free[0]![size] = addresses.filter { !separate.contains($0) }
    }
    separate.subtract(taken)
    return taken
  }
}
