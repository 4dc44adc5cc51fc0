internal import CNanoKernels

/// A tensor kept in 16 bits a number, for memory's sake: nothing computes on it.
public struct HalfTensor: Sendable {
  public enum Format: Sendable {
    /// The range of float32, 8 bits of precision.
    case bfloat16
    /// IEEE half: 11 bits of precision, from 6e-8 to 65504.
    case float16
  }

  public let shape: Shape
  private let format: Format
  private let storage: TensorStorage

  /// Rounds every element to nearest even.
  public init(_ tensor: Tensor, format: Format) {
    shape = tensor.shape
    self.format = format
    storage = TensorStorage(count: (tensor.elementCount + 1) / 2)
    switch format {
    case .bfloat16: kernels.to_bf16(tensor.elements, halves, tensor.elementCount)
    case .float16: kernels.to_fp16(tensor.elements, halves, tensor.elementCount)
    }
  }

  /// The rounded elements in 32 bits again.
  public var tensor: Tensor {
    var result = Tensor(uninitialized: shape)
    copy(rows: 0..<shape.rowCount, to: result.mutableElements)
    return result
  }

  /// Writes some of the rounded rows, in 32 bits.
  package func copy(rows: Range<Int>, to destination: UnsafeMutablePointer<Float>) {
    let (first, count) = (halves + rows.lowerBound * shape.width, rows.count * shape.width)
    switch format {
    case .bfloat16: kernels.from_bf16(first, destination, count)
    case .float16: kernels.from_fp16(first, destination, count)
    }
  }

  private var halves: UnsafeMutablePointer<UInt16> {
    UnsafeMutableRawPointer(storage.elements).assumingMemoryBound(to: UInt16.self)
  }
}
