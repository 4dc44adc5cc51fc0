internal import CNanoKernels
internal import NanoCUDA
public import NanoTensor

/// An activation, or the gradient of one: in 32 bits a number, or in half precision for less memory and time.
public enum Activation: Sendable {
  case whole(Tensor)
  case half(HalfTensor)

  public var tensor: Tensor {
    switch self {
    case .whole(let tensor): tensor
    case .half(let half): half.tensor
    }
  }

  public var shape: Shape {
    switch self {
    case .whole(let tensor): tensor.shape
    case .half(let half): half.shape
    }
  }

  /// Nil for 32 bits.
  var format: HalfTensor.Format? {
    switch self {
    case .whole: nil
    case .half(let half): half.format
    }
  }

  /// The GPU that the elements lie on; nil for the host.
  var gpu: CUDADevice? {
    switch self {
    case .whole(let tensor): tensor.gpu
    case .half(let half): half.gpu
    }
  }

  /// Memory to be filled through ``numbers``; of 32 bits a number if the format is nil.
  init(uninitialized shape: Shape, format: HalfTensor.Format?, on gpu: CUDADevice? = nil) {
    if let format {
      self = .half(HalfTensor(uninitialized: shape, format: format, on: gpu))
    } else {
      self = .whole(Tensor(uninitialized: shape, on: gpu))
    }
  }

  /// The tensor as it is, or rounded to the format.
  init(_ tensor: Tensor, format: HalfTensor.Format?) {
    self = format.map { .half(HalfTensor(tensor, format: $0)) } ?? .whole(tensor)
  }

  /// Itself, or what a tensor in 32 bits is in the format.
  func rounded(to format: HalfTensor.Format?) -> Activation {
    switch self {
    case .whole(let tensor): Activation(tensor, format: format)
    case .half: self
    }
  }

  /// A tensor of the same elements with memory of its own.
  var copy: Activation {
    let result = Activation(uninitialized: shape, format: format, on: gpu)
    result.numbers.update(from: numbers, count: shape.elementCount)
    return result
  }

  /// The elements, for kernels. Written only by who made the memory, before anyone else holds it.
  var numbers: Numbers {
    switch self {
    case .whole(let tensor): tensor.numbers
    case .half(let half): half.numbers
    }
  }

  /// The address of the elements, as a kernel's argument.
  var argument: KernelArgument { numbers.argument }

  /// A matrix of the rows of the innermost axis.
  var matrix: MatrixView { MatrixView(numbers, rows: shape.rowCount, columns: shape.width) }
}

/// What a tape keeps. An activation that several operations keep is rounded once and held once.
struct ActivationStore {
  private let format: HalfTensor.Format?
  private var halves: [UInt64: HalfTensor] = [:]

  init(_ format: HalfTensor.Format?) { self.format = format }

  mutating func keep(_ tensor: Tensor) -> Activation {
    guard let format else { return .whole(tensor) }
    if let half = halves[tensor.storageNumber], half.shape == tensor.shape { return .half(half) }
    let half = HalfTensor(tensor, format: format)
    halves[tensor.storageNumber] = half
    return .half(half)
  }

  /// From now on only the operations hold what they kept.
  mutating func forget() { halves.removeAll() }
}
