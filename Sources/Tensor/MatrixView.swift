/// A matrix of numbers of a tensor, either way round. It holds their memory.
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
  func packedCopy(_ precision: Precision) -> UnsafeRawPointer? {
    sharing.flatMap { $0.packedWeights.copy(of: self, in: $0.weight, precision: precision) }
  }
}
