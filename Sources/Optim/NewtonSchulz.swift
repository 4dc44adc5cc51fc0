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
    /// The factors of x, x³ and x⁵.
    public var a, b, c: Float

    /// A polynomial by the factors of x, x³ and x⁵, in this order.
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
  /// How the matrix is made small enough.
  public var scaling: Scaling
  /// What the products read.
  public var precision: Precision

  /// How a matrix is scaled before the first step, so that no singular value is above 1.
  public enum Scaling: String, CaseIterable, Hashable, Sendable, Codable {
    /// By the Frobenius norm, as above.
    case frobeniusNorm
    /// Each line of the shorter side by `1/√Σ_j |A_ij|`, at least ε under the root, which leaves the lines closer to
    /// orthogonal, so that fewer steps suffice.
    /// - SeeAlso: Boissin et al., "Turbo-Muon", 2025, arXiv:2512.04632; Prach, Lampert, 2022, arXiv:2208.03160.
    case almostOrthogonal
  }

  /// An iteration of as many steps as there are coefficients, by default in float32 behind the Frobenius norm.
  public init(
    coefficients: [Coefficients], epsilon: Float = 1e-7, safetyFactor: Float = 1, scaling: Scaling = .frobeniusNorm,
    precision: Precision = .float32
  ) {
    self.coefficients = coefficients
    self.epsilon = epsilon
    self.safetyFactor = safetyFactor
    self.scaling = scaling
    self.precision = precision
  }

  /// Five steps of Keller Jordan's quintic: singular values end in about 0.68 to 1.14.
  public static let quintic = NewtonSchulz(
    coefficients: Array(repeating: Coefficients(3.4445, -4.7750, 2.0315), count: 5))

  /// Five steps of the Polar Express (Amsel et al., 2025, arXiv:2505.16932), as modded-nanogpt has them.
  /// The first three alone train about as well as five quintic steps: `coefficients = Array(coefficients.prefix(3))`.
  public static let polarExpress = NewtonSchulz(
    coefficients: [
      Coefficients(8.156555, -22.483293, 15.878770), Coefficients(4.042930, -2.808917, 0.500018),
      Coefficients(3.891668, -2.772484, 0.506065), Coefficients(3.285754, -2.368129, 0.464490),
      Coefficients(2.346541, -1.709783, 0.423236),
    ], epsilon: 1e-6, safetyFactor: 1.02)

  /// Four steps behind the scaling of Turbo-Muon.
  public static let almostOrthogonal = NewtonSchulz(
    coefficients: [
      Coefficients(3.9505, -6.3029, 2.6377), Coefficients(3.7418, -5.5913, 2.3037),
      Coefficients(2.8769, -3.1427, 1.2046), Coefficients(2.8366, -3.0525, 1.2012),
    ], scaling: .almostOrthogonal)

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
    var factor: Float = 1
    if scaling == .frobeniusNorm {
      factor = 1 / (safetyFactor * Float(kernels.sumOfSquares(matrix).squareRoot()) + epsilon)
    }
    var x = kernels.scaled(matrix, by: factor, shape: [rows, columns])
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
    for (index, step) in coefficients.enumerated() {
      matmul(x.matrix.transposed, x.matrix, into: &gram, triangle: .upperResult, precision: precision)
      kernels.mirrorUpper(&gram)
      if index == 0, scaling == .almostOrthogonal { makeAlmostOrthogonal(&x, &gram) }
      matmul(
        gram.matrix, gram.matrix, into: &polynomial, scale: step.c, adding: .matrix(gram, times: step.b),
        triangle: .upperResult, precision: precision)
      kernels.mirrorUpper(&polynomial)
      matmul(
        x.matrix, polynomial.matrix, into: &next, adding: .matrix(x, times: step.a), precision: precision)
      swap(&x, &next)
    }
  }

  /// Scales the columns of X, and `Xᵀ X` with them.
  private func makeAlmostOrthogonal(_ x: inout Tensor, _ gram: inout Tensor) {
    let factors = gram.sumsOfMagnitudes.map { 1 / max($0, epsilon).squareRoot() }
    x.scale(.columns, by: factors)
    gram.scale(.rows, by: factors)
    gram.scale(.columns, by: factors)
  }
}
