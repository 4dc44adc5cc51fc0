internal import NanoCUDA

/// A float32 matrix on a GPU as the sum of two whose numbers TF32 has: `high`, rounded, and what that leaves, rounded again.
///
/// Of each number 22 bits remain, so that the three products of high and low parts other than low · low are float32's to
/// about 2⁻²¹, on tensor cores.
struct SplitMatrix {
  let high: DeviceMatrix
  /// High and low side by side along the depth of the product: `[high | low]` on the left, `[low; high]` on the right.
  /// Their product is the sum of the two small terms.
  let both: DeviceMatrix
  /// Holds the copies.
  let owner: Tensor

  enum Side {
    case left, right
  }

  /// Numbers from row to row, and the depth, are a multiple of this: what tensor cores ask for. Behind the matrix there are
  /// zeros.
  private static let multiple = 8

  init(_ view: MatrixView, _ side: Side, on gpu: CUDADevice) {
    func padded(_ count: Int) -> Int { (count + Self.multiple - 1) / Self.multiple * Self.multiple }
    let isTransposed = view.columnStride != 1
    let (rows, width) = isTransposed ? (view.columns, view.rows) : (view.rows, view.columns)
    // Whether the depth is what lies row by row.
    let isStacked = isTransposed != (side == .right)
    let (paddedRows, pitch) = (isStacked ? padded(rows) : rows, padded(width))
    let (rowStride, step) = isStacked ? (pitch, paddedRows * pitch) : (2 * pitch, pitch)
    var both = Tensor(uninitialized: [2, paddedRows, pitch], on: gpu)
    both.withMutableNumbers {
      let (first, second) = ($0.numbers.argument, $0.advanced(by: step).numbers.argument)
      gpu.launchElementwise(
        "split_tf32", count: paddedRows * pitch,
        [
          view.numbers.argument, .long(isTransposed ? view.columnStride : view.rowStride), .int(rows), .int(width),
          side == .left ? first : second, side == .left ? second : first, .long(rowStride), .int(pitch),
          .long(paddedRows * pitch),
        ])
    }
    owner = both
    let first = both.numbers
    let depth = padded(side == .left ? view.columns : view.rows)
    func matrix(_ numbers: Numbers, depth: Int) -> DeviceMatrix {
      DeviceMatrix(
        numbers.start, format: .float32, rows: side == .left ? view.rows : depth,
        columns: side == .left ? depth : view.columns, leading: rowStride, isTransposed: isTransposed)
    }
    high = matrix(side == .left ? first : first.advanced(by: step), depth: depth)
    self.both = matrix(first, depth: 2 * depth)
  }
}

extension CUDADevice {
  /// Whether three TF32 products take less time than a float32 one, with the splitting, the result read and written once
  /// more, and two launches more.
  func isWorthSplitting(rows: Int, columns: Int, depth: Int) -> Bool {
    let launches = 1 << 23
    return rows * columns * depth >= splitCost * (3 * (rows + columns) * depth + 2 * rows * columns + launches)
  }

  /// `result = alpha · left · right + beta · addend (+ bias)`: first the two small terms, by one product of twice the
  /// depth, and to them the large one is added.
  /// - Returns: whether there are sums of the left matrix's rows.
  func multiplySplit(
    _ left: SplitMatrix, _ right: SplitMatrix, into result: DeviceMatrix, alpha: Float, adding addend: DeviceMatrix,
    beta: Float, bias: UnsafeRawPointer?, rowSums: UnsafeMutableRawPointer?
  ) -> Bool {
    withExtendedLifetime((left, right)) {
      let isSummed = multiply(
        left.both, right.both, into: result, alpha: alpha, adding: addend, beta: beta, bias: bias, rowSums: rowSums,
        usesTF32: true)
      multiply(left.high, right.high, into: result, alpha: alpha, beta: 1, usesTF32: true)
      return isSummed
    }
  }
}
