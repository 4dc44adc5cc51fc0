package import NanoCUDA

/// An activation, or the gradient of one: in 32 bits a number, or in half precision for less memory and time.
public enum Activation: Sendable {
  case whole(Tensor)
  case half(HalfTensor)
  /// In 32 bits, and beside it the same rounded: a gradient on a GPU that sums and products read.
  case both(Tensor, HalfTensor)

  /// In 32 bits a number.
  public var tensor: Tensor {
    switch self {
    case .whole(let tensor), .both(let tensor, _): tensor
    case .half(let half): half.tensor
    }
  }

  /// Of the tensor, in whatever format.
  public var shape: Shape {
    switch self {
    case .whole(let tensor), .both(let tensor, _): tensor.shape
    case .half(let half): half.shape
    }
  }

  /// Nil for 32 bits.
  package var format: HalfTensor.Format? {
    switch self {
    case .whole, .both: nil
    case .half(let half): half.format
    }
  }

  /// The GPU that the elements lie on; nil for the host.
  package var gpu: CUDADevice? {
    switch self {
    case .whole(let tensor), .both(let tensor, _): tensor.gpu
    case .half(let half): half.gpu
    }
  }

  /// Memory whose elements are whatever was there; of 32 bits a number if the format is nil.
  package init(uninitialized shape: Shape, format: HalfTensor.Format?, on gpu: CUDADevice? = nil) {
    if let format {
      self = .half(HalfTensor(uninitialized: shape, format: format, on: gpu))
    } else {
      self = .whole(Tensor(uninitialized: shape, on: gpu))
    }
  }

  /// The tensor as it is, or rounded to the format.
  package init(_ tensor: Tensor, format: HalfTensor.Format?) {
    self = format.map { .half(HalfTensor(tensor, format: $0)) } ?? .whole(tensor)
  }

  /// Itself, or what a tensor in 32 bits is in the format.
  package func rounded(to format: HalfTensor.Format?) -> Activation {
    switch self {
    case .whole(let tensor): Activation(tensor, format: format)
    case .half: self
    case .both(let tensor, let half): half.format == format ? .half(half) : Activation(tensor, format: format)
    }
  }

  /// The same elements under another shape. O(1).
  /// - Precondition: equal element counts.
  package func reshaped(_ newShape: Shape) -> Activation {
    switch self {
    case .whole(let tensor): .whole(tensor.reshaped(newShape))
    case .half(let half): .half(half.reshaped(newShape))
    case .both(let tensor, let half): .both(tensor.reshaped(newShape), half.reshaped(newShape))
    }
  }

  /// The elements, for kernels.
  package var numbers: Numbers {
    switch self {
    case .whole(let tensor), .both(let tensor, _): tensor.numbers
    case .half(let half): half.numbers
    }
  }

  /// Gives it memory of its own, if it shares it, to be written: what was rounded beside it is then no longer so.
  package mutating func makeUnshared() {
    // Taken out of the enum, so that its memory is not shared with itself.
    switch consume self {
    case .whole(var tensor), .both(var tensor, _):
      tensor.makeUnshared()
      self = .whole(tensor)
    case .half(var half):
      half.makeUnshared()
      self = .half(half)
    }
  }

  @discardableResult
  package mutating func withMutableNumbers<R>(_ body: (MutableNumbers) -> R) -> R {
    makeUnshared()
    return body(MutableNumbers(numbers))
  }

  /// The address of the elements, as a kernel's argument.
  package var argument: KernelArgument { numbers.argument }
}
