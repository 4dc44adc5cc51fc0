/// The memory of one or more tensors, returned to the pool with its last owner.
///
/// The only type here that is `Sendable` by promise instead of by proof: its elements are written only
/// through a tensor that owns the storage uniquely, so storage that is shared is never written.
final class TensorStorage: @unchecked Sendable {
  let elements: UnsafeMutablePointer<Float>
  /// Unlike an address, never used again.
  var number: UInt64 { block.number }
  private let block: MemoryPool.Block

  init(count: Int) {
    block = MemoryPool.shared.allocate(bytes: count * MemoryLayout<Float>.stride)
    elements = block.memory.bindMemory(to: Float.self, capacity: count)
  }

  deinit { MemoryPool.shared.deallocate(block) }
}
