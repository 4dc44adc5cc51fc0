internal import NanoPreconditions
public import NanoTensor

/// How Muon makes an update orthogonal.
public enum Orthogonalization: Hashable, Sendable, Codable {
  /// Matrix products only, approximate: what Muon is.
  case newtonSchulz(NewtonSchulz)
  /// U Vᵀ by singular value decomposition: exact, an order of magnitude slower; the reference. Needs
  /// LAPACKE; ask ``checkExactIsAvailable()`` first. Elements that are not finite trap.
  case exact

  /// Whether updates on a GPU make it there; else the host makes it, of copies.
  var runsOnDevices: Bool {
    if case .newtonSchulz(let iteration) = self { iteration.scaling == .frobeniusNorm } else { false }
  }

  /// Of all matrices of a parameter, in multiply-adds. Of the three products of a step two have a symmetric result, of
  /// which half is computed. A decomposition's work is about that of forty such steps.
  func work(of parameter: ParameterDescription) -> Int {
    guard let stack = parameter.shape.matrixStack else { return 0 }
    let (short, long) = (min(stack.rows, stack.columns), max(stack.rows, stack.columns))
    let steps = if case .newtonSchulz(let iteration) = self { iteration.coefficients.count } else { 40 }
    return stack.count * steps * short * short * (3 * long + short) / 2
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
    let factor = polarFactor(of: matrix.span, rows: rows, columns: columns)
    factor.withElements { matrix.replace(with: $0) }
  }

  /// The polar factor of a row-major matrix, in its layout.
  func polarFactor(of matrix: Span<Float>, rows: Int, columns: Int) -> Tensor {
    switch self {
    case .newtonSchulz(let iteration): iteration.polarFactor(of: matrix, rows: rows, columns: columns)
    case .exact: exactPolarFactor(of: matrix, rows: rows, columns: columns)
    }
  }
}

/// U Vᵀ of A = U S Vᵀ, leaving out directions whose singular value is zero to rounding.
private func exactPolarFactor(of matrix: Span<Float>, rows: Int, columns: Int) -> Tensor {
  let matrix = kernels.scaled(matrix, by: 1, shape: [rows, columns])
  checkPrecondition(
    matrix.isFinite, "Orthogonalization.exact: a matrix of \(rows)×\(columns) whose elements are not all finite")
  let decomposition: SingularValueDecomposition
  do {
    decomposition = try SingularValueDecomposition(of: matrix)
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
  return matmul(left.matrix, decomposition.rightTransposed.matrix)
}
