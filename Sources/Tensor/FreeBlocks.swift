internal import CNanoKernels

/// Blocks held for reuse, by the thread that freed them.
///
/// A thread takes its own blocks first: their lines are in its core's caches, while those of a block that
/// another core wrote last would have to be fetched from there one by one.
struct FreeBlocks {
  /// By thread (there may be more: they then share), then by size class; the last one freed comes first.
  private var lists: [[[UInt]]] = Array(
    repeating: Array(repeating: [], count: SizeClass.count), count: 16)

  private var ownIndex: Int { nk_thread_number() % lists.count }

  mutating func add(_ block: UInt, _ sizeClass: SizeClass) {
    lists[ownIndex][sizeClass.index].append(block)
  }

  mutating func take(_ sizeClass: SizeClass) -> UInt? {
    if let block = lists[ownIndex][sizeClass.index].popLast() { return block }
    for index in lists.indices {
      if let block = lists[index][sizeClass.index].popLast() { return block }
    }
    return nil
  }

  mutating func takeAll() -> [UInt] {
    defer { self = FreeBlocks() }
    return lists.flatMap { $0.flatMap { $0 } }
  }
}

/// Block sizes: four per power of two from 256 bytes up, so at most a fifth of a block is unused.
struct SizeClass {
  static let count = 4 * 48
  let index: Int
  let bytes: Int

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
