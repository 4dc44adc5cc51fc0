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
    gpu.matmul(left, right, into: result.numbers, adding: addend, residual: residual?.numbers, precision: precision)
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
/// on it takes: rows `rowStride` apart, by default adjacent. One thread.
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
    let result = $0.advanced(by: start)
    HostProduct(
      left: left, right: right, result: result.numbers, rowStride: stride, scale: scale,
      addend: addend.map { HostProduct.Added($0, result: result.numbers, rowStride: stride) }, triangle: triangle,
      precision: precision
    ).compute()
  }
}

/// A product on the host, and where its result goes.
struct HostProduct {
  let left, right: MatrixView
  let result: Numbers
  let rowStride: Int
  var scale: Float = 1
  var addend: Added?
  var triangle = Triangle.full
  let precision: Precision

  /// Rows that are added, `rowStride` apart.
  struct Added {
    let elements: UnsafePointer<Float>?
    let rowStride: Int
    let factor: Float

    init(_ addend: Addend, result: Numbers, rowStride: Int) {
      switch addend {
      case .bias(let bias): (elements, self.rowStride, factor) = (bias.elements, 0, 1)
      case .matrix(let matrix, let times):
        (elements, self.rowStride, factor) = (matrix.elements, matrix.shape.width, times)
      case .result(let times): (elements, self.rowStride, factor) = (UnsafePointer(result.floats), rowStride, times)
      }
    }
  }

  func compute() {
    if precision != .float32 || !(multiplyRow() || multiplyLarge()) { multiply() }
  }

  /// One row by a transposed matrix: as many dot products, nothing to copy.
  private func multiplyRow() -> Bool {
    guard left.rows == 1, addend == nil, scale == 1, left.columnStride == 1, right.rowStride == 1,
      right.columnStride == right.rows, let row = left.numbers.floats, let matrix = right.numbers.floats,
      let result = result.floats
    else { return false }
    kernels.table.pointee.matrix_vector(matrix, row, result, right.columns, right.rows)
    return true
  }

  /// By OpenBLAS, where all three extents are large: only then is packing for three cache levels worth its time.
  private func multiplyLarge() -> Bool {
    guard case .full = triangle, min(left.rows, right.columns, left.columns) >= 384 else { return false }
    return multiplyWithOpenBLAS()
  }

  /// - Returns: false when OpenBLAS is not installed or the strides are not BLAS strides.
  func multiplyWithOpenBLAS() -> Bool {
    guard let (a, lda) = Self.blasOperand(left), let (b, ldb) = Self.blasOperand(right),
      let leftFloats = left.numbers.floats, let rightFloats = right.numbers.floats, let result = result.floats,
      nk_openblas_handle() != nil
    else { return false }
    if let addend, let elements = addend.elements, elements != result || addend.rowStride != rowStride {
      for row in 0..<left.rows {
        (result + row * rowStride).update(from: elements + row * addend.rowStride, count: right.columns)
      }
    }
    return nk_openblas_sgemm(
      a, b, Int32(left.rows), Int32(right.columns), Int32(left.columns), scale, leftFloats, lda,
      rightFloats, ldb, addend?.factor ?? 0, result, Int32(rowStride))
  }

  /// Whether BLAS must transpose the operand, and its leading dimension.
  private static func blasOperand(_ view: MatrixView) -> (transposed: Bool, leading: Int32)? {
    if view.columnStride == 1 { return (false, Int32(view.rowStride)) }
    if view.rowStride == 1 { return (true, Int32(view.columnStride)) }
    return nil
  }

  /// On register tiles, whatever the size.
  func multiply() {
    checkPrecondition(
      left.numbers.isReadable(in: precision) && right.numbers.isReadable(in: precision)
        && result.isReadable(in: precision),
      "matmul: numbers of another 16-bit format than \(precision.rawValue) reads")
    var b = nk_operand(right)
    if let packed = right.packedCopy(precision) { (b.start, b.is_packed) = (packed, true) }
    var gemm = nk_gemm(
      rows: left.rows, columns: right.columns, depth: left.columns, a: nk_operand(left), b: b,
      c: nk_result(start: result.host, format: result.dtype.kernelValue, stride: rowStride),
      addend: nk_addend(
        start: addend?.elements, stride: addend?.rowStride ?? 0, factor: addend?.factor ?? 0),
      alpha: scale, triangle: triangle.kernelValue)
    kernels.gemm(in: precision)(&gemm)
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
    let packing = table.pointee.packing_bf16
    return precision == .bfloat16 && packing.pack != nil ? packing : nil
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
