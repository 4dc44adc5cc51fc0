internal import NanoCUDA
internal import NanoPreconditions

extension MatrixView {
  /// The matrix as a GPU's product reads it in a precision: what is float32 is rounded first if the precision asks
  /// for it, a weight that is shared once for all products.
  fileprivate func deviceMatrix(_ precision: Precision) -> (matrix: DeviceMatrix, owner: HalfTensor?) {
    var (numbers, owner) = (numbers, nil as HalfTensor?)
    var (rowStride, columnStride) = (rowStride, columnStride)
    if numbers.dtype == .float32, let format = precision.activationFormat {
      if let shared = rounded(to: format) {
        (numbers, owner) = (shared.numbers, shared.owner)
      } else {
        var half = HalfTensor(uninitialized: [rows, columns], format: format, on: numbers.gpu)
        half.withMutableNumbers { [numbers] in numbers.roundMatrix(self, into: $0.numbers) }
        (numbers, owner) = (half.numbers, half)
        (rowStride, columnStride) = rowStride >= columnStride ? (columns, 1) : (1, rows)
      }
    }
    let isTransposed = columnStride != 1
    return (
      DeviceMatrix(
        numbers.start, format: numbers.deviceFormat, rows: rows, columns: columns,
        leading: max(isTransposed ? columnStride : rowStride, isTransposed ? rows : columns),
        isTransposed: isTransposed),
      owner
    )
  }
}

extension HalfTensor {
  /// Rows of a rounded weight on a GPU are a multiple of this.
  package static let rowMultiple = 64

  /// A rounded copy of a weight on a GPU, with rows of zeros behind it up to a multiple of ``rowMultiple``: products of
  /// odd extents, such as a vocabulary of 50,257, are several times as slow.
  init(padding weight: Tensor, format: Format) {
    let (rows, width) = (weight.shape.rowCount, weight.shape.width)
    let padded = width % 2 == 0 ? (rows + Self.rowMultiple - 1) / Self.rowMultiple * Self.rowMultiple : rows
    self.init(uninitialized: [padded, width], format: format, on: weight.gpu)
    let gpu = gpu
    withMutableNumbers {
      $0.numbers.convert(from: weight.numbers, count: rows * width)
      gpu?.clear($0.advanced(by: rows * width).numbers.start, bytes: (padded - rows) * width * $0.dtype.byteCount)
    }
  }
}

extension Numbers {
  /// Rounds a matrix, either way round, to one whose rows, or columns, are adjacent.
  fileprivate func roundMatrix(_ view: MatrixView, into result: Numbers) {
    let isTransposed = view.columnStride != 1
    let (rows, columns) = isTransposed ? (view.columns, view.rows) : (view.rows, view.columns)
    let stride = isTransposed ? view.columnStride : view.rowStride
    guard stride != columns else {
      result.convert(from: self, count: rows * columns)
      return
    }
    gpu?.launchElementwise(
      "convert_rows", count: rows * columns,
      [
        argument, formatArgument, .long(stride), result.argument, result.formatArgument, .int(columns),
        .long(rows * columns),
      ])
  }
}

extension CUDADevice {
  /// `output = scale · left · right (+ addend) (+ residual)`, rounded to the format of the result, whose rows lie
  /// `rowStride` apart, by default adjacent; the residual lies as the result does. `rowSums`, of the result's format,
  /// become the sums of the left matrix's rows where a product makes them by the way.
  /// - Returns: whether there are sums.
  @discardableResult
  package func matmul(
    _ left: MatrixView, _ right: MatrixView, into output: MutableNumbers, rowStride: Int? = nil, scale: Float = 1,
    adding addend: Addend? = nil, residual: Numbers? = nil, rowSums: MutableNumbers? = nil, precision: Precision
  ) -> Bool {
    let result = output.numbers
    let c = DeviceMatrix(
      result.start, format: result.deviceFormat, rows: left.rows, columns: right.columns,
      leading: rowStride ?? right.columns)
    var (beta, bias): (Float, Activation?) = (residual == nil ? 0 : 1, nil)
    switch addend {
    case nil: break
    case .bias(let tensor):
      // The product adds a bias of its result's format.
      bias = Activation(tensor, format: result.dtype == .float32 ? nil : precision.activationFormat)
    case .result(let factor):
      checkPrecondition(residual == nil, "matmul: on a GPU a product adds to its own result or a residual")
      beta = factor
    case .matrix(let matrix, _):
      checkPrecondition(false, "matmul: on a GPU a product adds to its own result or a bias, not to \(matrix.shape)")
    }
    var added = c
    if let residual { added.address = residual.start }
    if precision == .float32Split, isWorthSplitting(rows: left.rows, columns: right.columns, depth: left.columns) {
      return withExtendedLifetime(bias) {
        multiplySplit(
          SplitMatrix(left, .left, on: self), SplitMatrix(right, .right, on: self), into: c, alpha: scale,
          adding: added, beta: beta, bias: bias.map { UnsafeRawPointer($0.numbers.start) },
          rowSums: rowSums?.numbers.start)
      }
    }
    let (a, b) = (left.deviceMatrix(precision), right.deviceMatrix(precision))
    return withExtendedLifetime((a.owner, b.owner, bias)) {
      multiply(
        a.matrix, b.matrix, into: c, alpha: scale, adding: added, beta: beta,
        bias: bias.map { UnsafeRawPointer($0.numbers.start) }, rowSums: rowSums?.numbers.start)
    }
  }
}
