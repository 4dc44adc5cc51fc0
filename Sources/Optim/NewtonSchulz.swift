internal import NanoPreconditions
public import NanoTensor

/// An iteration that pushes all singular values of a matrix towards 1: approximately the polar factor U Vᵀ,
/// in matrix products alone.
///
/// ```
/// X ← X / (s·‖X‖_F + ε)
/// A = X Xᵀ,  X ← a X + (b A + c A²) X      for every (a, b, c)
/// ```
///
/// The iteration runs on the taller of X and Xᵀ, from the right: `X ← a X + X (b A + c A²)` with `A = Xᵀ X`.
/// A and A² are symmetric: only their upper tiles are computed.
/// - SeeAlso: Jordan et al., "Muon", 2024; Bernstein, Newhouse, 2024, arXiv:2409.20325.
public struct NewtonSchulz: Hashable, Sendable, Codable {
  /// One iteration's polynomial `a x + b x³ + c x⁵`.
  public struct Coefficients: Hashable, Sendable, Codable {
    public var a, b, c: Float

    public init(_ a: Float, _ b: Float, _ c: Float) {
      self.a = a
      self.b = b
      self.c = c
    }
  }

  /// One entry an iteration.
  public var coefficients: [Coefficients]
  /// Added to the norm, so that a zero matrix stays zero.
  public var epsilon: Float
  /// Multiplies the norm.
  public var safetyFactor: Float
  /// What the products read.
  public var precision: Precision

  public init(
    coefficients: [Coefficients], epsilon: Float = 1e-7, safetyFactor: Float = 1,
    precision: Precision = .float32
  ) {
    self.coefficients = coefficients
    self.epsilon = epsilon
    self.safetyFactor = safetyFactor
    self.precision = precision
  }

  /// Five steps of Keller Jordan's quintic: singular values end in about 0.68 to 1.14.
  public static let quintic = NewtonSchulz(
    coefficients: Array(repeating: Coefficients(3.4445, -4.7750, 2.0315), count: 5))

  /// Five steps of the Polar Express (Amsel et al., 2025, arXiv:2505.16932), as modded-nanogpt has them.
  public static let polarExpress = NewtonSchulz(
    coefficients: [
      Coefficients(8.156555, -22.483293, 15.878770), Coefficients(4.042930, -2.808917, 0.500018),
      Coefficients(3.891668, -2.772484, 0.506065), Coefficients(3.285754, -2.368129, 0.464490),
      Coefficients(2.346541, -1.709783, 0.423236),
    ], epsilon: 1e-6, safetyFactor: 1.02)

  /// The first steps alone, which is faster and less exact: of the Polar Express three do.
  public func prefix(_ count: Int) -> NewtonSchulz {
    checkPrecondition(
      (1...coefficients.count).contains(count), "NewtonSchulz.prefix: \(count) of \(coefficients.count) steps")
    var shorter = self
    shorter.coefficients = Array(coefficients.prefix(count))
    return shorter
  }

  /// Eight quintic steps, then two that converge: singular values end at 1.00 (DeepSeek-V4).
  public static let convergent = NewtonSchulz(
    coefficients: Array(repeating: Coefficients(3.4445, -4.7750, 2.0315), count: 8)
      + Array(repeating: Coefficients(2, -1.5, 0.5), count: 2))

  /// Replaces a row-major matrix by its approximate polar factor.
  /// - Complexity: with m the smaller extent and n the larger, O(m²n) a step: about 3m²n + m³ multiply-adds.
  public func orthogonalize(_ matrix: inout MutableSpan<Float>, rows: Int, columns: Int) {
    checkPrecondition(
      matrix.count == rows * columns,
      "NewtonSchulz: \(matrix.count) elements for \(rows)×\(columns)")
    let factor = polarFactor(of: matrix.span, rows: rows, columns: columns)
    factor.withElements { matrix.replace(with: $0) }
  }

  /// The approximate polar factor of a row-major matrix, in its layout.
  func polarFactor(of matrix: Span<Float>, rows: Int, columns: Int) -> Tensor {
    let norm = Float(kernels.sumOfSquares(matrix).squareRoot())
    var x = kernels.scaled(matrix, by: 1 / (safetyFactor * norm + epsilon), shape: [rows, columns])
    guard rows <= columns else {
      iterate(&x)
      return x
    }
    var tall = kernels.transposed(x)
    iterate(&tall)
    return kernels.transposed(tall)
  }

  /// `X ← a X + X (b A + c A²)` with `A = Xᵀ X`, for every step.
  ///
  /// Products from this side read both operands as they lie; from the other, X Xᵀ copies a transposed X every
  /// time.
  private func iterate(_ x: inout Tensor) {
    let square: Shape = [x.shape.width, x.shape.width]
    var (gram, polynomial, next) = (
      Tensor(uninitialized: square), Tensor(uninitialized: square), Tensor(uninitialized: x.shape)
    )
    for step in coefficients {
      matmul(x.matrix.transposed, x.matrix, into: &gram, triangle: .upperResult, precision: precision)
      kernels.mirrorUpper(&gram)
      matmul(
        gram.matrix, gram.matrix, into: &polynomial, scale: step.c, adding: .matrix(gram, times: step.b),
        triangle: .upperResult, precision: precision)
      kernels.mirrorUpper(&polynomial)
      matmul(
        x.matrix, polynomial.matrix, into: &next, adding: .matrix(x, times: step.a), precision: precision)
      swap(&x, &next)
    }
  }
}
