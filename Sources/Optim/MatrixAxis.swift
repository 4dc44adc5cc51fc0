internal import NanoTensor

/// The rows or the columns of a matrix as it lies in memory.
enum MatrixAxis {
  case rows, columns

  var other: MatrixAxis { self == .rows ? .columns : .rows }
}

extension MatrixStack {
  /// Along it lies one line an output.
  var outputAxis: MatrixAxis { order == .outputsByInputs ? .rows : .columns }
}

extension Tensor {
  /// Of each row, or of each column, of a matrix.
  func sumsOfSquares(of axis: MatrixAxis) -> [Float] {
    let (rows, columns) = (shape[0], shape[1])
    var sums = [Float](repeating: 0, count: axis == .rows ? rows : columns)
    withElements { elements in
      for row in 0..<rows {
        for column in 0..<columns {
          let element = elements[row * columns + column]
          sums[axis == .rows ? row : column] += element * element
        }
      }
    }
    return sums
  }

  /// Multiplies each row, or each column, by a factor of its own.
  mutating func scale(_ axis: MatrixAxis, by factors: [Float]) {
    let (rows, columns) = (shape[0], shape[1])
    withMutableElements { elements in
      for row in 0..<rows {
        for column in 0..<columns { elements[row * columns + column] *= factors[axis == .rows ? row : column] }
      }
    }
  }

  /// Of each row of a matrix.
  var sumsOfMagnitudes: [Float] {
    let columns = shape[1]
    return withElements { elements in
      (0..<shape[0]).map { row in (0..<columns).reduce(0) { $0 + abs(elements[row * columns + $1]) } }
    }
  }

  /// The Frobenius norm.
  var norm: Float { Float(sumOfSquares.squareRoot()) }
}
