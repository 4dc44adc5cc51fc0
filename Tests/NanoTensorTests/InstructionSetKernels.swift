import CNanoKernels
import NanoTensor
import Testing

extension InstructionSet {
  /// The kernels compiled for it.
  func kernels() throws -> nk_kernels { try #require(nk_kernels_for(kernelSet)).pointee }
}
