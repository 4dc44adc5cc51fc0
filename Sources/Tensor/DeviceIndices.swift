internal import CNanoKernels
package import NanoCUDA

/// Whole numbers of 32 bits in a GPU's memory: tokens, targets, positions.
package struct DeviceIndices: Sendable {
  /// Holds the numbers' bits.
  private let memory: Tensor

  /// A copy of the numbers; see ``NanoCUDA/CUDADevice/loggingUploads(_:)``.
  package init(_ indices: [Int32], on gpu: CUDADevice) {
    memory = Tensor(uninitialized: [indices.count], on: gpu)
    gpu.upload(indices, to: memory.numbers.start)
  }

  /// The address, as a kernel's argument.
  package var argument: KernelArgument { memory.argument }

  /// The address of the numbers from the `index`-th on.
  package func argument(from index: Int) -> KernelArgument { memory.numbers.advanced(by: index).argument }
}
