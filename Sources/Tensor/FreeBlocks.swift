internal import CNanoKernels

/// Blocks held for reuse, by the thread that freed them.
///
/// A thread takes its own blocks first: their lines are in its core's caches, while those of a block that
/// another core wrote last would have to be fetched from there one by one.
struct FreeBlocks {
  /// By thread (there may be more: they then share), then by size class; the last one freed comes first.
  private var lists: [[[UInt]]] = Array(
    repeating: Array(repeating: [], count: SizeClass.count), count: 16)

  /// From here on an idle block is worth more than a close fit.
  private static let largeBytes = 1 << 18

  private var ownIndex: Int { nk_thread_number() % lists.count }

  mutating func add(_ block: UInt, _ sizeClass: SizeClass) {
    lists[ownIndex][sizeClass.index].append(block)
  }

  /// A block of the class or, where there is none, a large one of the next classes, up to almost twice as large: shards
  /// differ in length, and the blocks of the longer ones would lie idle beside those of the shorter ones.
  mutating func take(_ sizeClass: SizeClass) -> (block: UInt, sizeClass: SizeClass)? {
    var sizeClass = sizeClass
    for _ in 0..<(sizeClass.bytes < Self.largeBytes ? 1 : SizeClass.perPowerOfTwo) {
      if let block = lists[ownIndex][sizeClass.index].popLast() { return (block, sizeClass) }
      for index in lists.indices {
        if let block = lists[index][sizeClass.index].popLast() { return (block, sizeClass) }
      }
      sizeClass = SizeClass(fitting: sizeClass.bytes + 1)
    }
    return nil
  }

  mutating func takeAll() -> (blocks: [UInt], bytes: Int) {
    defer { self = FreeBlocks() }
    var (blocks, bytes) = ([UInt](), 0)
    for list in lists {
      for (index, own) in list.enumerated() {
        blocks += own
        bytes += own.count * SizeClass(index: index).bytes
      }
    }
    return (blocks, bytes)
  }
}

/// Block sizes: four per power of two from 256 bytes up, so at most a fifth of a block is unused.
struct SizeClass {
  static let perPowerOfTwo = 4
  static let count = perPowerOfTwo * 48
  let index: Int
  let bytes: Int

  init(index: Int) {
    self.index = index
    let (exponent, steps) = ((index - 1) / 4 + 7, (index - 1) % 4 + 1)
    bytes = (4 + steps) << (exponent - 2)
  }

  init(fitting request: Int) {
    let quanta = max(request, 256)
    let exponent = Int.bitWidth - 1 - (quanta - 1).leadingZeroBitCount
    // 2^exponent < quanta <= 2^(exponent + 1), split into four steps.
    let step = 1 << (exponent - 2)
    let steps = (quanta - (1 << exponent) + step - 1) / step
    bytes = (1 << exponent) + steps * step
    index = (exponent - 7) * 4 + steps
  }
}
