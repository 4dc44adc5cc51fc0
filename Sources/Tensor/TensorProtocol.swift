/// What kernels write, whatever the format of its numbers: a ``Tensor``, a ``HalfTensor`` or an ``Activation``.
package protocol TensorProtocol {
  var shape: Shape { get }

  /// The numbers for reading.
  var numbers: Numbers { get }

  /// Gives it memory of its own, if it shares it.
  mutating func makeUnshared()

  /// Calls `body` with the numbers for writing; copies them first when they are shared.
  @discardableResult mutating func withMutableNumbers<R>(_ body: (MutableNumbers) -> R) -> R
}

extension TensorProtocol {
  /// A matrix of the rows of the innermost axis.
  package var matrix: MatrixView { matrix(rows: 0..<shape.rowCount) }

  /// Some of these rows.
  package func matrix(rows: Range<Int>) -> MatrixView {
    MatrixView(numbers.advanced(by: rows.lowerBound * shape.width), rows: rows.count, columns: shape.width)
  }

  /// A matrix of some columns of all rows.
  package func matrix(columns: Range<Int>) -> MatrixView {
    MatrixView(
      numbers.advanced(by: columns.lowerBound), rows: shape.rowCount, columns: columns.count, rowStride: shape.width)
  }
}

extension HalfTensor: TensorProtocol {}

// The same once more where the compiler knows the type: products are many and small.

extension Tensor: TensorProtocol {
  package var matrix: MatrixView { MatrixView(numbers, rows: shape.rowCount, columns: shape.width) }
}

extension Activation: TensorProtocol {
  package var matrix: MatrixView { MatrixView(numbers, rows: shape.rowCount, columns: shape.width) }
}
