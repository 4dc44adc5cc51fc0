internal import NanoPreconditions
package import NanoCUDA

/// The numbers of a tensor from some place on. They hold the memory that they lie in.
package struct Numbers {
  /// Keeps the memory; nil where someone else does, as within a closure.
  private let owner: TensorStorage?
  /// Where they lie: an address of the host's memory or of a GPU's.
  package let start: UnsafeMutableRawPointer
  package let dtype: DType
  /// Whose memory it is; nil for the host's.
  package let gpu: CUDADevice?

  init(of owner: TensorStorage, _ dtype: DType) {
    self.init(owner, UnsafeMutableRawPointer(owner.elements), dtype, owner.gpu)
  }

  private init(_ owner: TensorStorage?, _ start: UnsafeMutableRawPointer, _ dtype: DType, _ gpu: CUDADevice?) {
    self.owner = owner
    self.start = start
    self.dtype = dtype
    self.gpu = gpu
  }

  /// Those from the `count`-th on.
  package func advanced(by count: Int) -> Numbers {
    Numbers(owner, start + count * dtype.byteCount, dtype, gpu)
  }

  /// The same without holding the memory: for records of what lies on a GPU, and where a closure's tensor is held anyway.
  package var unowned: Numbers { Numbers(nil, start, dtype, gpu) }

  /// Where they lie for kernels of the host, which read them while these numbers live.
  var host: UnsafeMutableRawPointer {
    checkPrecondition(gpu == nil, "Tensor: the host works on numbers that lie on a GPU")
    return start
  }

  /// The same from the `count`-th number on.
  func host(_ count: Int) -> UnsafeMutableRawPointer { host + count * dtype.byteCount }

  /// Themselves as float32, if they are that and on the host.
  var floats: UnsafeMutablePointer<Float>? {
    dtype == .float32 && gpu == nil ? start.assumingMemoryBound(to: Float.self) : nil
  }

  /// Themselves as 16 bits each, if they are that.
  var halves: UnsafeMutablePointer<UInt16>? {
    dtype == .float32 ? nil : start.assumingMemoryBound(to: UInt16.self)
  }

  /// Whether products in a precision take them as they are.
  func isReadable(in precision: Precision) -> Bool { dtype == .float32 || dtype == precision.operandType }
}

/// Numbers of a tensor that a closure may write.
package struct MutableNumbers {
  /// The same for reading, and for kernels of a GPU. Valid within the closure.
  package let numbers: Numbers

  init(_ numbers: Numbers) { self.numbers = numbers.unowned }

  package var dtype: DType { numbers.dtype }

  /// Those from the `count`-th on.
  package func advanced(by count: Int) -> MutableNumbers { MutableNumbers(numbers.advanced(by: count)) }

  var host: UnsafeMutableRawPointer { numbers.host }
  var halves: UnsafeMutablePointer<UInt16>? { numbers.halves }
}
