internal import Foundation

/// Address space that is kept, untouched, for the moment when the system has none left.
struct MemoryReserve {
  private var memory: UInt?
  private var bytes = 0
  /// The most that is held: where address space is short, what is kept here is missing elsewhere.
  private var most = Int.max

  /// Holds no more from now on than an eighth of the address space that tensors have and could have.
  /// - Parameter held: bytes that tensors have.
  mutating func limit(tensorsHolding held: Int) {
    most = SystemMemory.addressSpace.map { (held + $0) / 8 } ?? .max
  }

  /// Grows to at least `bytes`, or to the most; when the system refuses, what was held stays.
  mutating func hold(_ bytes: Int) {
    let bytes = min(bytes, most)
    guard memory == nil || self.bytes < bytes else { return }
    let block = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let block, block != MAP_FAILED else { return }
    release()
    (memory, self.bytes) = (UInt(bitPattern: block), bytes)
  }

  mutating func release() {
    guard let memory else { return }
    munmap(UnsafeMutableRawPointer(bitPattern: memory), bytes)
    self.memory = nil
  }
}
