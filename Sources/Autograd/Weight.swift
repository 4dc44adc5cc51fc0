internal import NanoTensor

/// A weight as products read it: its elements, and where products that share it look for them packed.
struct Weight {
  let tensor: Tensor
  let packedWeights: PackedWeights?

  var shape: Shape { tensor.shape }

  /// The weight as a matrix of rows of its innermost axis.
  var matrix: MatrixView { tensor.matrix.packed(in: packedWeights, of: tensor) }

  /// On a GPU, the weight rounded, with rows of zeros behind it up to a multiple of ``HalfTensor/rowMultiple``; nil if it
  /// is not rounded once for all.
  func padded(in precision: Precision) -> MatrixView? {
    guard let format = precision.activationFormat, let half = packedWeights?.rounded(tensor, to: format) else {
      return nil
    }
    return half.matrix
  }

  /// One matrix of a stack.
  subscript(index: Int) -> MatrixView {
    let (rows, columns) = (shape[1], shape[2])
    return MatrixView(tensor.numbers.advanced(by: index * rows * columns), rows: rows, columns: columns)
      .packed(in: packedWeights, of: tensor)
  }

  /// The elements on a GPU as kernels read them in a precision: a copy that products share where they are rounded.
  func operand(in precision: Precision) -> Activation {
    guard let format = precision.activationFormat else { return .whole(tensor) }
    return .half(
      packedWeights?.rounded(tensor, to: format) ?? HalfTensor(tensor, format: format))
  }
}
