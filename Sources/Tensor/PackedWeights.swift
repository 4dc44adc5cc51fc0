internal import CNanoKernels
internal import Synchronization

/// Weights in the order in which products read them, copied once for many products.
///
/// A product copies its right operand to the order of its kernel, and rounds it if it is one in bfloat16. The parts of a
/// batch are multiplied by the same weights: if they share a `PackedWeights`, the first that needs a weight packs it for
/// all. Results have the same bits as without. Shared are weights of products in bfloat16, where the machine has such, and
/// small ones of products in float32; of large ones a second copy would take more memory than it is worth time.
///
/// A copy in bfloat16 takes half of its weight's memory; a weight that is also used transposed has two. Weights are held as
/// long as their copies, so that one that is changed in the meantime becomes another tensor.
public final class PackedWeights: Sendable {
  private struct Key: Hashable {
    let precision: Precision
    let start: UInt
    let rows, columns, rowStride, columnStride: Int
  }

  private enum Copy {
    case inProgress
    case ready(TensorStorage, of: Tensor)
  }

  private let copies = Mutex<[Key: Copy]>([:])
  /// Of weights on a GPU, whose products read them as they lie, rounded; and how often the host had written them.
  private let halves = Mutex<[UInt64: (half: HalfTensor, hostWrites: Int)]>([:])

  /// No copies yet; products make them.
  public init() {}

  /// For parts of a batch on so many threads; nil if each thread has at most one, so that nobody would find a copy.
  public convenience init?(parts: Int, threads: Int) {
    guard parts > threads else { return nil }
    self.init()
  }

  /// A weight on a GPU, rounded once for all products.
  package func rounded(_ weight: Tensor, to format: HalfTensor.Format) -> HalfTensor {
    halves.withLock { halves in
      if let known = halves[weight.storageNumber] { return known.half }
      let half = HalfTensor(padding: weight, format: format)
      halves[weight.storageNumber] = (half, weight.hostWrites)
      return half
    }
  }

  /// The rounded copy of a weight on a GPU, if products have asked for one. Who writes the weight on the GPU writes it
  /// too.
  package func roundedCopy(of weight: Tensor) -> HalfTensor? {
    halves.withLock { $0[weight.storageNumber]?.half }
  }

  /// Rounds a weight on a GPU again if the host has written it.
  package func refresh(_ weight: Tensor) {
    halves.withLock { halves in
      guard let known = halves[weight.storageNumber], known.hostWrites != weight.hostWrites else { return }
      known.half.numbers.convert(from: weight.numbers, count: weight.elementCount)
      halves[weight.storageNumber] = (known.half, weight.hostWrites)
    }
  }

  /// Numbers of the largest matrix that is copied in float32: with it, what a block of activations needs still fits the
  /// second-level cache.
  private static let mostFloats = 1 << 16

  /// The packed copy of a part of a weight; nil if products pack it themselves. So do those that need it while another
  /// thread makes the copy, since waiting would take as long.
  func copy(of matrix: MatrixView, in weight: Tensor, precision: Precision) -> UnsafeRawPointer? {
    guard let packing = kernels.packing(in: precision),
      precision == .bfloat16 || matrix.rows * matrix.columns <= Self.mostFloats
    else { return nil }
    let key = Key(
      precision: precision, start: UInt(bitPattern: matrix.numbers.start), rows: matrix.rows, columns: matrix.columns,
      rowStride: matrix.rowStride, columnStride: matrix.columnStride)
    let found = copies.withLock { copies in
      let found = copies[key]
      if found == nil { copies[key] = .inProgress }
      return found
    }
    switch found {
    case .inProgress: return nil
    case .ready(let copy, _): return UnsafeRawPointer(copy.elements)
    case nil: break
    }
    let bytes = packing.bytes(matrix.rows, matrix.columns)
    let copy = TensorStorage(count: bytes / MemoryLayout<Float>.stride)
    var operand = nk_operand(matrix)
    packing.pack(&operand, matrix.rows, matrix.columns, copy.elements)
    copies.withLock { $0[key] = .ready(copy, of: weight) }
    return UnsafeRawPointer(copy.elements)
  }
}
