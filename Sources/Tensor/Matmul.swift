internal import CNanoKernels
internal import COpenBLAS
internal import NanoCUDA
internal import NanoPreconditions

/// A matrix in memory that someone else owns, either way round.
package struct MatrixView {
  let numbers: Numbers
  package let rows, columns: Int
  package let rowStride, columnStride: Int
  /// Where products look for a packed copy of it.
  private var sharing: Sharing?

  private struct Sharing {
    let packedWeights: PackedWeights
    /// What it is a part of.
    let weight: Tensor
  }

  /// A row-major matrix whose rows are `rowStride` apart (by default adjacent).
  package init(_ elements: UnsafePointer<Float>, rows: Int, columns: Int, rowStride: Int? = nil) {
    self.init(
      Numbers(UnsafeMutablePointer(mutating: elements), format: NK_FP32), rows: rows,
      columns: columns, rowStride: rowStride)
  }

  /// The same of numbers of either format.
  package init(_ numbers: Numbers, rows: Int, columns: Int, rowStride: Int? = nil) {
    self.init(
      numbers, rows: rows, columns: columns, rowStride: rowStride ?? columns, columnStride: 1)
  }

  private init(_ numbers: Numbers, rows: Int, columns: Int, rowStride: Int, columnStride: Int) {
    self.numbers = numbers
    self.rows = rows
    self.columns = columns
    self.rowStride = rowStride
    self.columnStride = columnStride
  }

  /// The same memory read the other way.
  package var transposed: MatrixView {
    var view = MatrixView(
      numbers, rows: columns, columns: rows, rowStride: columnStride, columnStride: rowStride)
    view.sharing = sharing
    return view
  }

  /// The same view, a part of `weight`, that products may read from a copy in `packedWeights`.
  package func packed(in packedWeights: PackedWeights?, of weight: Tensor) -> MatrixView {
    var view = self
    view.sharing = packedWeights.map { Sharing(packedWeights: $0, weight: weight) }
    return view
  }

  /// A rounded copy of a shared weight, at the place of this part of it, and what holds it.
  func rounded(to format: HalfTensor.Format) -> (numbers: Numbers, owner: HalfTensor)? {
    guard let sharing else { return nil }
    let half = sharing.packedWeights.rounded(sharing.weight, to: format)
    let offset = numbers.start - sharing.weight.numbers.start
    return (half.numbers.advanced(by: offset / MemoryLayout<Float>.stride), half)
  }

  /// A packed copy to read in place of it, if there is one.
  fileprivate func packedCopy(_ precision: Precision) -> UnsafeRawPointer? {
    sharing.flatMap { $0.packedWeights.copy(of: self, in: $0.weight, precision: precision) }
  }
}

/// What a product adds to: a matrix of the result's shape, or one row for all (stride 0).
package struct Addend {
  package let elements: UnsafePointer<Float>
  package let rowStride: Int
  package let factor: Float

  package static func matrix(
    _ elements: UnsafePointer<Float>, rowStride: Int, factor: Float = 1
  ) -> Addend {
    Addend(elements: elements, rowStride: rowStride, factor: factor)
  }

  package static func bias(_ tensor: Tensor) -> Addend {
    Addend(
      elements: UnsafePointer(tensor.numbers.start.assumingMemoryBound(to: Float.self)), rowStride: 0, factor: 1)
  }

  /// What is there already, times `factor`.
  package static func own(_ result: Numbers, rowStride: Int, factor: Float = 1) -> Addend {
    Addend(
      elements: UnsafePointer(result.start.assumingMemoryBound(to: Float.self)), rowStride: rowStride, factor: factor)
  }
}

/// Which part of a result is needed, or of the left operand nonzero.
package enum Triangle {
  case full, upperResult

  fileprivate var kernelValue: nk_triangle {
    switch self {
    case .full: NK_FULL
    case .upperResult: NK_RESULT_UPPER
    }
  }
}

/// `result = scale · left · right (+ addend)`, row-major with rows `resultStride` apart, one thread.
///
/// The project's own register-tile kernel serves every product; OpenBLAS takes over from the size at
/// which its cache blocking wins (`bench-cli bench ops` shows both).
/// - Precondition: the inner extents agree.
/// - Complexity: O(rows · columns · depth).
package func multiply(
  _ left: MatrixView, _ right: MatrixView, into result: UnsafeMutablePointer<Float>,
  resultStride: Int? = nil, scale: Float = 1, adding addend: Addend? = nil,
  triangle: Triangle = .full, precision: Precision = .float32
) {
  checkPrecondition(
    left.columns == right.rows,
    "multiply: \(left.rows)×\(left.columns) by \(right.rows)×\(right.columns)")
  let stride = resultStride ?? right.columns
  guard left.rows > 0 else { return }
  if left.rows == 1, addend == nil, scale == 1, precision == .float32, left.columnStride == 1,
    right.rowStride == 1, right.columnStride == right.rows, let row = left.numbers.floats,
    let matrix = right.numbers.floats
  {
    // One row by a transposed matrix: as many dot products, nothing to copy.
    kernels.matrix_vector(matrix, row, result, right.columns, right.rows)
    return
  }
  if precision == .float32, case .full = triangle,
    openBLASPays(rows: left.rows, columns: right.columns, depth: left.columns),
    multiplyWithOpenBLAS(left, right, into: result, stride: stride, scale: scale, addend: addend)
  {
    return
  }
  multiplyWithOwnKernel(
    left, right, into: Numbers(result, format: NK_FP32), stride: stride, scale: scale,
    adding: addend, triangle: triangle, precision: precision)
}

/// `result = left · right (+ addend)`, rounded to the format of the result; its rows `resultStride` apart.
///
/// On a GPU a product also adds a `residual` that lies as the result does.
///
/// Operands and result may have the 16-bit format of the precision, which spares reading and writing twice as much.
/// - Precondition: the inner extents agree, and formats are float32 or the precision's.
package func multiply(
  _ left: MatrixView, _ right: MatrixView, into result: Numbers, resultStride: Int? = nil,
  scale: Float = 1, adding addend: Addend? = nil, residual: Numbers? = nil, precision: Precision
) {
  checkPrecondition(
    left.numbers.gpu === result.gpu && right.numbers.gpu === result.gpu,
    "multiply: matrices of \(left.rows)×\(left.columns) and \(right.rows)×\(right.columns) on different devices")
  if let gpu = result.gpu {
    multiplyOnGPU(
      gpu, left, right, into: result, stride: resultStride ?? right.columns, scale: scale, addend: addend,
      residual: residual, precision: precision)
    return
  }
  checkPrecondition(residual == nil, "multiply: a residual is added on a GPU only")
  if let floats = result.floats {
    multiply(
      left, right, into: floats, resultStride: resultStride, scale: scale, adding: addend,
      precision: precision)
    return
  }
  checkPrecondition(
    left.columns == right.rows,
    "multiply: \(left.rows)×\(left.columns) by \(right.rows)×\(right.columns)")
  guard left.rows > 0 else { return }
  multiplyWithOwnKernel(
    left, right, into: result, stride: resultStride, scale: scale, adding: addend, precision: precision)
}

/// The product on register tiles, whatever its size.
func multiplyWithOwnKernel(
  _ left: MatrixView, _ right: MatrixView, into result: Numbers, stride: Int? = nil,
  scale: Float = 1, adding addend: Addend? = nil, triangle: Triangle = .full, precision: Precision
) {
  checkPrecondition(
    left.numbers.isReadable(in: precision) && right.numbers.isReadable(in: precision)
      && result.isReadable(in: precision),
    "multiply: numbers of another 16-bit format than \(precision.rawValue) reads")
  var product = nk_product()
  product.rows = left.rows
  product.a = UnsafePointer(left.numbers.floats)
  product.a_half = UnsafePointer(left.numbers.halves)
  product.a_row = left.rowStride
  product.a_column = left.columnStride
  product.setRightOperand(right)
  product.b_packed = right.packedCopy(precision)
  product.c = result.floats
  product.c_half = result.halves
  product.c_row = stride ?? right.columns
  product.addend = addend?.elements
  product.addend_row = addend?.rowStride ?? 0
  product.alpha = scale
  product.beta = addend?.factor ?? 0
  product.triangle = triangle.kernelValue
  kernels.product(in: precision)(&product)
}

/// All three extents large: only then is packing for three cache levels worth its time.
private func openBLASPays(rows: Int, columns: Int, depth: Int) -> Bool {
  min(rows, columns, depth) >= 384
}

/// - Returns: false when OpenBLAS is not installed or the strides are not BLAS strides.
func multiplyWithOpenBLAS(
  _ left: MatrixView, _ right: MatrixView, into result: UnsafeMutablePointer<Float>, stride: Int,
  scale: Float, addend: Addend?
) -> Bool {
  guard let (a, lda) = blasOperand(left), let (b, ldb) = blasOperand(right),
    let leftFloats = left.numbers.floats, let rightFloats = right.numbers.floats,
    nk_openblas_handle() != nil
  else { return false }
  if let addend, UnsafePointer(result) != addend.elements || addend.rowStride != stride {
    for row in 0..<left.rows {
      (result + row * stride).update(
        from: addend.elements + row * addend.rowStride, count: right.columns)
    }
  }
  return nk_openblas_sgemm(
    a, b, Int32(left.rows), Int32(right.columns), Int32(left.columns), scale, leftFloats, lda,
    rightFloats, ldb, addend?.factor ?? 0, result, Int32(stride))
}

/// Whether BLAS must transpose the operand, and its leading dimension.
private func blasOperand(_ view: MatrixView) -> (transposed: Bool, leading: Int32)? {
  if view.columnStride == 1 { return (false, Int32(view.rowStride)) }
  if view.rowStride == 1 { return (true, Int32(view.columnStride)) }
  return nil
}

extension Tensor {
  /// The matrix product `self · other` of two matrices.
  /// - Precondition: both are matrices and the inner extents agree.
  public func matrixProduct(_ other: Tensor, precision: Precision = .float32) -> Tensor {
    checkPrecondition(
      shape.rank == 2 && other.shape.rank == 2 && shape[1] == other.shape[0],
      "matrixProduct: \(shape) by \(other.shape)")
    let result = Tensor(uninitialized: [shape[0], other.shape[1]], on: gpu)
    multiply(matrix, other.matrix, into: result.numbers, precision: precision)
    return result
  }

  /// The tensor as a matrix of rows of its innermost axis.
  package var matrix: MatrixView {
    MatrixView(numbers, rows: shape.rowCount, columns: shape.width)
  }
}
