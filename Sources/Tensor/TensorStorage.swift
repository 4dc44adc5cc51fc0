/// The memory of one or more tensors, returned to the pool with its last owner.
///
/// The only type here that is `Sendable` by promise instead of by proof: its elements are written only
/// through a tensor that owns the storage uniquely, so storage that is shared is never written.
final class TensorStorage: @unchecked Sendable {
  let elements: UnsafeMutablePointer<Float>
  private let capacity: Int

  init(count: Int) {
    let (memory, capacity) = MemoryPool.shared.allocate(bytes: count * MemoryLayout<Float>.stride)
    elements = memory.bindMemory(to: Float.self, capacity: count)
    self.capacity = capacity
  }

  deinit { MemoryPool.shared.deallocate(UnsafeMutableRawPointer(elements), capacity: capacity) }
}
