package import NanoCUDA
internal import NanoPreconditions

/// A tensor in 16 bits a number, for memory's sake: arithmetic on it is float32, its results are rounded.
public struct HalfTensor: Sendable {
  /// How the 16 bits of a number are split between its range and its precision.
  public enum Format: Sendable {
    /// The range of float32, 8 bits of precision.
    case bfloat16
    /// IEEE half: 11 bits of precision, from 6e-8 to 65504.
    case float16
  }

  /// Its extents.
  public private(set) var shape: Shape
  package let format: Format
  private var storage: TensorStorage

  /// Memory whose elements are whatever was there; every one must be written before it is read.
  package init(uninitialized shape: Shape, format: Format, on gpu: CUDADevice? = nil) {
    self.shape = shape
    self.format = format
    storage = TensorStorage(count: Self.floatCount(shape), on: gpu)
  }

  /// Floats that take as much memory.
  private static func floatCount(_ shape: Shape) -> Int { (shape.elementCount + 1) / 2 }

  /// The GPU that the elements lie on; nil for the host.
  package var gpu: CUDADevice? { storage.gpu }

  /// Rounds every element to nearest even.
  public init(_ tensor: Tensor, format: Format) {
    self.init(uninitialized: tensor.shape, format: format, on: tensor.gpu)
    if gpu != nil {
      withMutableNumbers { $0.numbers.convert(from: tensor.numbers, count: tensor.elementCount) }
    } else {
      kernels.round(tensor, into: &self)
    }
  }

  /// The rounded elements in 32 bits again.
  public var tensor: Tensor {
    var result = Tensor(uninitialized: shape, on: gpu)
    if gpu != nil {
      result.withMutableNumbers { $0.numbers.convert(from: numbers, count: shape.elementCount) }
    } else {
      kernels.widen(self, into: &result)
    }
    return result
  }

  /// The same elements under another shape. O(1).
  /// - Precondition: equal element counts.
  package func reshaped(_ newShape: Shape) -> HalfTensor {
    checkPrecondition(
      newShape.elementCount == shape.elementCount, "reshaped: \(shape) has other elements than \(newShape)")
    var result = self
    result.shape = newShape
    return result
  }

  /// The elements, for kernels.
  package var numbers: Numbers { Numbers(of: storage, format.dtype) }

  /// Gives this tensor memory of its own, if it shares it.
  package mutating func makeUnshared() {
    if !isKnownUniquelyReferenced(&storage) { storage = storage.copy(count: Self.floatCount(shape)) }
  }

  /// Calls `body` with the elements for writing; copies them first when they are shared.
  @discardableResult
  package mutating func withMutableNumbers<R>(_ body: (MutableNumbers) -> R) -> R {
    makeUnshared()
    return body(MutableNumbers(numbers))
  }
}
