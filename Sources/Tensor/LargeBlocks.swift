/// Blocks of a mebibyte and more that wait for reuse, whatever sizes they had: parts of the regions that came from the
/// system. Free neighbours of one region are one, so that what held small tensors later holds a large one, and what held
/// a gradient the activations of the next step.
struct LargeBlocks {
  /// Smaller ones are held by size class.
  static let smallestBytes = 1 << 20
  /// Regions consist of these.
  private static let pageBytes = 4096

  private struct FreeRange {
    var start: UInt
    var bytes: Int
    /// Where its region starts.
    let region: UInt
  }

  /// In the order of their addresses.
  private var free: [FreeRange] = []
  /// Bytes by start.
  private var regions: [UInt: Int] = [:]

  /// The bytes of a block that serves a request.
  static func bytes(fitting request: Int) -> Int { (request + pageBytes - 1) / pageBytes * pageBytes }

  /// A block out of the free range that it fits best; nil if it fits none.
  mutating func take(_ bytes: Int) -> (start: UInt, region: UInt)? {
    var best: Int?
    for index in free.indices where free[index].bytes >= bytes {
      if free[index].bytes < best.map({ free[$0].bytes }) ?? .max { best = index }
    }
    guard let best else { return nil }
    let range = free[best]
    if range.bytes == bytes {
      free.remove(at: best)
    } else {
      (free[best].start, free[best].bytes) = (range.start + UInt(bytes), range.bytes - bytes)
    }
    return (range.start, range.region)
  }

  /// Takes note of a region that is in use.
  mutating func addRegion(_ start: UInt, bytes: Int) { regions[start] = bytes }

  /// Takes a block back.
  mutating func add(_ start: UInt, bytes: Int, region: UInt) {
    var (low, high) = (0, free.count)
    while low < high {
      let middle = (low + high) / 2
      if free[middle].start < start { low = middle + 1 } else { high = middle }
    }
    free.insert(FreeRange(start: start, bytes: bytes, region: region), at: low)
    join(low)
    if low > 0 { join(low - 1) }
  }

  /// Makes one of a free range and the next, if there is nothing between them.
  private mutating func join(_ index: Int) {
    guard index + 1 < free.count, free[index].region == free[index + 1].region,
      free[index].start + UInt(free[index].bytes) == free[index + 1].start
    else { return }
    free[index].bytes += free[index + 1].bytes
    free.remove(at: index + 1)
  }

  /// Regions that are free as a whole, at least so many bytes of them if there are as many: they can go back to the system.
  mutating func takeWholeRegions(bytes: Int = .max) -> (starts: [UInt], bytes: Int) {
    var (starts, taken) = ([UInt](), 0)
    free.removeAll { range in
      guard taken < bytes, regions[range.region] == range.bytes else { return false }
      starts.append(range.region)
      taken += range.bytes
      return true
    }
    for start in starts { regions[start] = nil }
    return (starts, taken)
  }
}
