internal import CNanoKernels
internal import NanoPreconditions
public import NanoTensor

/// How Muon makes an update orthogonal.
public enum Orthogonalization: Hashable, Sendable {
  /// Matrix products only, approximate: what Muon is.
  case newtonSchulz(NewtonSchulz)
  /// U Vᵀ by singular value decomposition: exact, an order of magnitude slower; the reference. Needs
  /// LAPACKE; ask ``checkExactIsAvailable()`` first. Elements that are not finite trap.
  case exact

  /// Whether updates on a GPU make it there; else the host makes it, of copies.
  var runsOnDevices: Bool {
    if case .newtonSchulz = self { true } else { false }
  }

  /// Throws when LAPACKE is not installed.
  public static func checkExactIsAvailable() throws(DecompositionError) {
    _ = try SingularValueDecomposition(of: Tensor(repeating: 1, shape: [1, 1]))
  }

  /// Replaces a row-major matrix by its polar factor. A zero matrix stays zero.
  public func apply(_ matrix: inout MutableSpan<Float>, rows: Int, columns: Int) {
    checkPrecondition(
      matrix.count == rows * columns,
      "Orthogonalization: \(matrix.count) elements for \(rows)×\(columns)")
    matrix.withUnsafeMutableBufferPointer { buffer in
      guard let elements = buffer.baseAddress else { return }
      apply(elements, rows: rows, columns: columns)
    }
  }

  func apply(_ matrix: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    switch self {
    case .newtonSchulz(let iteration):
      iteration.orthogonalize(matrix, rows: rows, columns: columns)
    case .exact:
      replaceByPolarFactor(matrix, rows: rows, columns: columns)
    }
  }
}

/// Replaces A = U S Vᵀ by U Vᵀ, leaving out directions whose singular value is zero to rounding.
private func replaceByPolarFactor(_ matrix: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
  let count = rows * columns
  checkPrecondition(
    UnsafeBufferPointer(start: matrix, count: count).allSatisfy(\.isFinite),
    "Orthogonalization.exact: a matrix of \(rows)×\(columns) whose elements are not all finite")
  let copy = Tensor(
    Array(UnsafeBufferPointer(start: matrix, count: count)), shape: [rows, columns])
  let decomposition: SingularValueDecomposition
  do {
    decomposition = try SingularValueDecomposition(of: copy)
  } catch {
    fatalError("Orthogonalization.exact: \(error)")
  }
  let values = decomposition.values.scalars
  let threshold = (values.first ?? 0) * Float(max(rows, columns)) * Float.ulpOfOne
  let rank = values.count
  var left = decomposition.left
  left.withMutableElements { elements in
    for row in 0..<rows {
      for index in 0..<rank where values[index] <= threshold { elements[row * rank + index] = 0 }
    }
  }
  multiply(left.matrix, decomposition.rightTransposed.matrix, into: matrix)
}
