internal import Foundation

/// Address space that is kept, untouched, for the moment when the system has none left.
struct MemoryReserve {
  private var memory: UInt?
  private var bytes = 0

  /// Grows to at least `bytes`; when the system refuses, what was held stays.
  mutating func hold(_ bytes: Int) {
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
