package import NanoCUDA

/// Whole numbers of 32 bits in a GPU's memory: tokens, targets, positions, chosen experts.
package struct DeviceIndices: Sendable {
  /// Holds the numbers' bits.
  private var memory: Tensor

  /// A copy of the numbers; see ``NanoCUDA/CUDADevice/loggingUploads(_:)``.
  package init(_ indices: [Int32], on gpu: CUDADevice) {
    memory = Tensor(uninitialized: [indices.count], on: gpu)
    memory.withMutableNumbers { gpu.upload(indices, to: $0.numbers.start) }
  }

  /// Memory whose numbers are whatever was there.
  package init(uninitialized count: Int, on gpu: CUDADevice) {
    memory = Tensor(uninitialized: [count], on: gpu)
  }

  /// A copy on the host, which waits for the GPU.
  package var values: [Int32] { memory.scalars.map { Int32(bitPattern: $0.bitPattern) } }

  /// The address, as the argument of a kernel that reads them.
  package var argument: KernelArgument { memory.argument }

  /// The same of a kernel that writes them.
  var output: KernelArgument { mutating get { .output(&memory) } }

  /// The address of the numbers from the `index`-th on.
  package func argument(from index: Int) -> KernelArgument { memory.numbers.advanced(by: index).argument }
}
