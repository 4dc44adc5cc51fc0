internal import CLAPACKE
internal import NanoPreconditions

/// Why a singular value decomposition gave no result.
public enum DecompositionError: Error, Hashable, CustomStringConvertible {
  /// liblapacke is not installed.
  case libraryMissing
  /// LAPACK's `info`: negative for an argument it refused (NaN among them), positive for no convergence.
  case failed(info: Int)

  public var description: String {
    switch self {
    case .libraryMissing:
      "LAPACKE is not installed; install liblapacke-dev (Debian) or lapack (Homebrew)"
    case .failed(let info): "LAPACKE_sgesdd ended with info \(info)"
    }
  }
}

/// The thin singular value decomposition `A = U · diag(S) · Vᵀ`.
public struct SingularValueDecomposition: Sendable {
  /// rows × min(rows, columns), orthonormal columns.
  public let left: Tensor
  /// min(rows, columns), descending.
  public let values: Tensor
  /// min(rows, columns) × columns, orthonormal rows.
  public let rightTransposed: Tensor

  /// - Precondition: `matrix` is a matrix.
  /// - Complexity: O(rows · columns · min(rows, columns)).
  public init(of matrix: Tensor) throws(DecompositionError) {
    checkPrecondition(matrix.shape.rank == 2, "SingularValueDecomposition: shape \(matrix.shape)")
    let (rows, columns) = (matrix.shape[0], matrix.shape[1])
    let rank = min(rows, columns)
    var copy = matrix
    var u = Tensor(zeros: [rows, rank])
    var s = Tensor(zeros: [rank])
    var vt = Tensor(zeros: [rank, columns])
    let info = nk_lapacke_sgesdd(
      Int32(rows), Int32(columns), copy.mutableElements, s.mutableElements, u.mutableElements,
      vt.mutableElements)
    if info == NK_LAPACKE_MISSING { throw .libraryMissing }
    guard info == 0 else { throw .failed(info: Int(info)) }
    left = u
    values = s
    rightTransposed = vt
  }
}
