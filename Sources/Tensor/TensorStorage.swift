/// The memory of one or more tensors, returned to the pool with its last owner.
///
/// The only type here that is `Sendable` by promise instead of by proof: its elements are written only
/// through a tensor that owns the storage uniquely, so storage that is shared is never written.
final class TensorStorage: @unchecked Sendable {
  let elements: UnsafeMutablePointer<Float>
  /// Unlike an address, never used again.
  let number: UInt64
  private let capacity: Int

  init(count: Int) {
    let (memory, capacity, number) = MemoryPool.shared.allocate(
      bytes: count * MemoryLayout<Float>.stride)
    self.number = number
    elements = memory.bindMemory(to: Float.self, capacity: count)
    self.capacity = capacity
  }

  deinit { MemoryPool.shared.deallocate(UnsafeMutableRawPointer(elements), capacity: capacity) }
}
