internal import CNanoKernels
internal import COpenBLAS
internal import NanoCUDA
internal import NanoPreconditions

/// What a product adds to.
package enum Addend {
  /// One row for all.
  case bias(Tensor)
  /// A matrix of the result's shape, times a factor.
  case matrix(Tensor, times: Float)
  /// What the result holds already, times a factor.
  case result(times: Float)
}

/// Which part of a result is needed.
package enum Triangle {
  case full, upperResult

  fileprivate var kernelValue: nk_triangle {
    switch self {
    case .full: NK_FULL
    case .upperResult: NK_RESULT_UPPER
    }
  }
}

/// `left · right (+ addend) (+ residual)`, rounded to the format, where the operands lie.
///
/// Operands and result may have the 16-bit format of the precision, which spares reading and writing twice as much.
/// - Parameters:
///   - shape: of the result; one row a row of `left` by default.
///   - residual: on a GPU alone, what lies as the result does and has its format.
/// - Precondition: the inner extents agree, all lies on one device, and formats are float32 or the precision's.
package func matmul(
  _ left: MatrixView, _ right: MatrixView, shape: Shape? = nil, format: HalfTensor.Format?,
  adding addend: Addend? = nil, residual: Activation? = nil, precision: Precision = .float32
) -> Activation {
  checkPrecondition(
    left.numbers.gpu === right.numbers.gpu,
    "matmul: matrices of \(left.rows)×\(left.columns) and \(right.rows)×\(right.columns) on different devices")
  var result = Activation(uninitialized: shape ?? [left.rows, right.columns], format: format, on: left.numbers.gpu)
  if let gpu = left.numbers.gpu {
    result.withMutableNumbers {
      gpu.matmul(left, right, into: $0, adding: addend, residual: residual?.numbers, precision: precision)
    }
  } else {
    checkPrecondition(residual == nil, "matmul: a residual is added on a GPU only")
    matmul(left, right, into: &result, adding: addend, precision: precision)
  }
  return result
}

/// The same in 32 bits a number.
package func matmul(
  _ left: MatrixView, _ right: MatrixView, shape: Shape? = nil, adding addend: Addend? = nil,
  residual: Activation? = nil, precision: Precision = .float32
) -> Tensor {
  matmul(
    left, right, shape: shape, format: nil, adding: addend, residual: residual, precision: precision
  ).tensor
}

/// `result = scale · left · right (+ addend)` on the host, rounded to the format of the result, whose elements from `start`
/// on it takes: rows `rowStride` apart, by default adjacent. One thread, or those that share operations
/// (``SharedWork``), each of which then has parts of the result.
///
/// The project's own register-tile kernel serves every product; OpenBLAS takes over from the size at
/// which its cache blocking wins (`bench-cli bench ops` shows both).
/// - Precondition: the inner extents agree, and formats are float32 or the precision's.
/// - Complexity: O(rows · columns · depth).
package func matmul(
  _ left: MatrixView, _ right: MatrixView, into result: inout some TensorProtocol, from start: Int = 0,
  rowStride: Int? = nil, scale: Float = 1, adding addend: Addend? = nil, triangle: Triangle = .full,
  precision: Precision = .float32
) {
  checkPrecondition(
    left.columns == right.rows,
    "matmul: \(left.rows)×\(left.columns) by \(right.rows)×\(right.columns)")
  guard left.rows > 0 else { return }
  let stride = rowStride ?? right.columns
  checkPrecondition(
    start >= 0 && start + (left.rows - 1) * stride + right.columns <= result.shape.elementCount,
    "matmul: \(left.rows) rows of \(right.columns), \(stride) apart, from \(start) on in \(result.shape)")
  result.withMutableNumbers {
    HostProduct(
      left, right, into: $0.advanced(by: start).numbers, rowStride: stride, scale: scale, adding: addend,
      triangle: triangle, precision: precision
    ).compute()
  }
}

/// A product on the host, as kernels are told of it: only addresses, for as long as their tensors are held.
struct HostProduct {
  private var gemm: nk_gemm
  private let precision: Precision

  /// - Precondition: numbers are float32 or of the format that the precision reads.
  init(
    _ left: MatrixView, _ right: MatrixView, into result: Numbers, rowStride: Int, scale: Float = 1,
    adding addend: Addend? = nil, triangle: Triangle = .full, precision: Precision
  ) {
    checkPrecondition(
      left.numbers.isReadable(in: precision) && right.numbers.isReadable(in: precision)
        && result.isReadable(in: precision),
      "matmul: numbers of another 16-bit format than \(precision.rawValue) reads")
    gemm = nk_gemm(
      rows: left.rows, columns: right.columns, depth: left.columns, a: nk_operand(left), b: nk_operand(right),
      c: nk_result(start: result.host, format: result.dtype.kernelValue, stride: rowStride),
      addend: nk_addend(), alpha: scale, triangle: triangle.kernelValue)
    switch addend {
    case nil: break
    case .bias(let bias): gemm.addend = nk_addend(start: bias.elements, stride: 0, factor: 1)
    case .matrix(let matrix, let times):
      gemm.addend = nk_addend(start: matrix.elements, stride: matrix.shape.width, factor: times)
    case .result(let times):
      gemm.addend = nk_addend(start: UnsafePointer(result.floats), stride: rowStride, factor: times)
    }
    if left.rows > 1, let packed = right.packedCopy(precision) { (gemm.b.start, gemm.b.is_packed) = (packed, true) }
    self.precision = precision
  }

  func compute() {
    let size = partSize
    guard SharedWork.isShared, size < max(gemm.rows, gemm.columns) else { return computeAlone() }
    SharedWork.forEachPart(of: max(gemm.rows, gemm.columns), size: size) { range in
      part(gemm.rows >= gemm.columns ? .rows : .columns, range).computeAlone()
    }
  }

  private func computeAlone() {
    if precision != .float32 || !(multiplyRow() || multiplyLarge()) { multiply() }
  }

  // MARK: Parts

  /// How many rows or columns of the result, whichever are more, a thread takes at a time: so many that the operand which
  /// every part reads and packs anew takes little beside the arithmetic.
  private var partSize: Int {
    let extent = max(gemm.rows, gemm.columns)
    guard gemm.triangle == NK_FULL, gemm.rows >= gemm.columns || !gemm.b.is_packed else { return extent }
    let most = min(16, (gemm.rows * gemm.columns * gemm.depth) >> 24, extent / 192)
    // Powers of two: most machines have as many threads.
    var parts = 1
    while 2 * parts <= most { parts *= 2 }
    return ((extent + parts - 1) / parts + 15) / 16 * 16
  }

  private enum Axis { case rows, columns }

  /// The product of some rows of the left operand, or columns of the right one.
  private func part(_ axis: Axis, _ range: Range<Int>) -> HostProduct {
    var part = self
    let start = range.lowerBound
    switch axis {
    case .rows:
      part.gemm.rows = range.count
      part.gemm.a.advance(by: start * (gemm.a.is_transposed ? 1 : gemm.a.stride))
      part.gemm.c.advance(by: start * gemm.c.stride)
      part.gemm.addend.start = gemm.addend.start.map { $0 + start * gemm.addend.stride }
    case .columns:
      part.gemm.columns = range.count
      part.gemm.b.advance(by: start * (gemm.b.is_transposed ? gemm.b.stride : 1))
      part.gemm.c.advance(by: start)
      part.gemm.addend.start = gemm.addend.start.map { $0 + start }
    }
    return part
  }

  // MARK: Kernels

  /// One row by a transposed matrix: as many dot products, nothing to copy.
  private func multiplyRow() -> Bool {
    guard gemm.rows == 1, gemm.addend.start == nil, gemm.alpha == 1, !gemm.a.is_transposed,
      gemm.b.is_transposed ? gemm.b.stride == gemm.depth : gemm.b.stride == 1 && gemm.depth == 1,
      let row = Self.floats(gemm.a), let matrix = Self.floats(gemm.b), let result = floatResult
    else { return false }
    kernels.table.pointee.matrix_vector(matrix, row, result, gemm.columns, gemm.depth)
    return true
  }

  /// By OpenBLAS, where all three extents are large: only then is packing for three cache levels worth its time.
  private func multiplyLarge() -> Bool {
    gemm.triangle == NK_FULL && min(gemm.rows, gemm.columns, gemm.depth) >= 384 && multiplyWithOpenBLAS()
  }

  /// - Returns: false when OpenBLAS is not installed.
  func multiplyWithOpenBLAS() -> Bool {
    guard let a = Self.floats(gemm.a), let b = Self.floats(gemm.b), let result = floatResult,
      nk_openblas_handle() != nil
    else { return false }
    let (addend, rowStride) = (gemm.addend, gemm.c.stride)
    if let elements = addend.start, elements != result || addend.stride != rowStride {
      for row in 0..<gemm.rows {
        (result + row * rowStride).update(from: elements + row * addend.stride, count: gemm.columns)
      }
    }
    return nk_openblas_sgemm(
      gemm.a.is_transposed, gemm.b.is_transposed, Int32(gemm.rows), Int32(gemm.columns), Int32(gemm.depth), gemm.alpha,
      a, Int32(gemm.a.stride), b, Int32(gemm.b.stride), addend.factor, result, Int32(rowStride))
  }

  private static func floats(_ operand: nk_operand) -> UnsafePointer<Float>? {
    operand.format == NK_FP32 && !operand.is_packed ? operand.start.assumingMemoryBound(to: Float.self) : nil
  }

  private var floatResult: UnsafeMutablePointer<Float>? {
    gemm.c.format == NK_FP32 ? gemm.c.start.assumingMemoryBound(to: Float.self) : nil
  }

  /// On register tiles, whatever the size.
  func multiply() {
    withUnsafePointer(to: gemm) { kernels.gemm(in: precision)($0) }
  }
}

extension nk_operand {
  init(_ matrix: MatrixView) {
    let isTransposed = matrix.columnStride != 1
    self.init(
      start: matrix.numbers.host, format: matrix.numbers.dtype.kernelValue, is_packed: false,
      is_transposed: isTransposed, stride: isTransposed ? matrix.columnStride : matrix.rowStride)
  }
}

extension nk_operand {
  fileprivate mutating func advance(by numbers: Int) { start += numbers * (format == NK_FP32 ? 4 : 2) }
}

extension nk_result {
  fileprivate mutating func advance(by numbers: Int) { start += numbers * (format == NK_FP32 ? 4 : 2) }
}

extension Kernels {
  /// The matrix product that reads its operands in a precision.
  func gemm(in precision: Precision) -> @convention(c) (UnsafePointer<nk_gemm>?) -> Void {
    switch precision {
    case .float32: table.pointee.gemm
    case .float32Split: table.pointee.gemm_split
    case .bfloat16: table.pointee.gemm_bf16
    case .float16: table.pointee.gemm_fp16
    }
  }

  /// How that product packs its right operand, if several can share what it packs.
  func packing(in precision: Precision) -> nk_packing? {
    switch precision {
    case .float32: table.pointee.packing
    case .bfloat16: table.pointee.packing_bf16.pack == nil ? nil : table.pointee.packing_bf16
    case .float32Split, .float16: nil
    }
  }
}

extension Tensor {
  /// The matrix product `self · other` of two matrices.
  /// - Precondition: both are matrices and the inner extents agree.
  public func matmul(_ other: Tensor, precision: Precision = .float32) -> Tensor {
    checkPrecondition(
      shape.rank == 2 && other.shape.rank == 2 && shape[1] == other.shape[0],
      "matmul: \(shape) by \(other.shape)")
    return NanoTensor.matmul(matrix, other.matrix, precision: precision)
  }
}
