internal import CNanoKernels
package import NanoCUDA

/// A tensor in 16 bits a number, for memory's sake: arithmetic on it is float32, its results are rounded.
public struct HalfTensor: Sendable {
  public enum Format: Sendable {
    /// The range of float32, 8 bits of precision.
    case bfloat16
    /// IEEE half: 11 bits of precision, from 6e-8 to 65504.
    case float16
  }

  public let shape: Shape
  package let format: Format
  private let storage: TensorStorage

  /// Memory whose elements are whatever was there; every one must be written before it is read.
  package init(uninitialized shape: Shape, format: Format, on gpu: CUDADevice? = nil) {
    self.shape = shape
    self.format = format
    storage = TensorStorage(count: (shape.elementCount + 1) / 2, on: gpu)
  }

  /// The GPU that the elements lie on; nil for the host.
  package var gpu: CUDADevice? { storage.gpu }

  /// Rounds every element to nearest even.
  public init(_ tensor: Tensor, format: Format) {
    self.init(uninitialized: tensor.shape, format: format, on: tensor.gpu)
    if gpu != nil {
      numbers.convert(from: tensor.numbers, count: shape.elementCount)
      return
    }
    switch format {
    case .bfloat16: kernels.to_bf16(tensor.elements, halves, tensor.elementCount)
    case .float16: kernels.to_fp16(tensor.elements, halves, tensor.elementCount)
    }
  }

  /// The rounded elements in 32 bits again.
  public var tensor: Tensor {
    var result = Tensor(uninitialized: shape, on: gpu)
    if gpu != nil {
      result.numbers.convert(from: numbers, count: shape.elementCount)
      return result
    }
    switch format {
    case .bfloat16: kernels.from_bf16(halves, result.mutableElements, shape.elementCount)
    case .float16: kernels.from_fp16(halves, result.mutableElements, shape.elementCount)
    }
    return result
  }

  /// The elements, for kernels. Written only by who made the tensor, before anyone else holds it.
  package var numbers: Numbers {
    Numbers(storage.elements, format: format == .bfloat16 ? NK_BF16 : NK_FP16, on: gpu)
  }

  private var halves: UnsafeMutablePointer<UInt16> {
    UnsafeMutableRawPointer(storage.elements).assumingMemoryBound(to: UInt16.self)
  }
}
