internal import NanoCUDA

/// The memory of one or more tensors, on the host or on a GPU, returned to its pool with its last owner.
///
/// The only type here that is `Sendable` by promise instead of by proof: its elements are written only
/// through a tensor that owns the storage uniquely, so storage that is shared is never written.
final class TensorStorage: @unchecked Sendable {
  /// Of a GPU's memory only an address, which the host cannot read.
  let elements: UnsafeMutablePointer<Float>
  /// Nil for the host's memory.
  let gpu: CUDADevice?
  /// Unlike an address, never used again.
  let number: UInt64
  /// How often the host has written a GPU's memory.
  var hostWrites = 0
  private let memory: Memory

  private enum Memory {
    case host(MemoryPool.Block)
    case gpu(CUDADevice.Allocation)
  }

  init(count: Int, on gpu: CUDADevice? = nil) {
    self.gpu = gpu
    let bytes = count * MemoryLayout<Float>.stride
    if let gpu {
      let allocation = gpu.allocate(bytes: bytes)
      elements = allocation.address.assumingMemoryBound(to: Float.self)
      // The two pools count for themselves.
      number = allocation.number | 1 << 63
      memory = .gpu(allocation)
    } else {
      let block = MemoryPool.shared.allocate(bytes: bytes)
      elements = block.memory.bindMemory(to: Float.self, capacity: count)
      number = block.number
      memory = .host(block)
    }
  }

  deinit {
    switch memory {
    case .host(let block): MemoryPool.shared.deallocate(block)
    case .gpu(let allocation): gpu?.deallocate(allocation)
    }
  }

  /// Memory of its own with the same first `count` elements.
  func copy(count: Int) -> TensorStorage {
    let copy = TensorStorage(count: count, on: gpu)
    if let gpu {
      gpu.copy(from: elements, to: copy.elements, bytes: count * MemoryLayout<Float>.stride)
    } else {
      copy.elements.update(from: elements, count: count)
    }
    return copy
  }
}
