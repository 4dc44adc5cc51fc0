internal import CNanoKernels
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
    matrix.withUnsafeMutableBufferPointer { buffer in
      guard let elements = buffer.baseAddress else { return }
      orthogonalize(elements, rows: rows, columns: columns)
    }
  }

  func orthogonalize(_ matrix: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    let norm = Float(kernels.sum_of_squares(matrix, rows * columns).squareRoot())
    kernels.scale(matrix, 1 / (safetyFactor * norm + epsilon), matrix, rows * columns)
    guard rows <= columns else {
      iterate(matrix, rows: rows, columns: columns)
      return
    }
    var tallStorage = Tensor(uninitialized: [columns, rows])
    let tall = tallStorage.mutableElements
    kernels.transpose(matrix, rows, columns, tall)
    iterate(tall, rows: columns, columns: rows)
    kernels.transpose(tall, columns, rows, matrix)
  }

  /// `X ← a X + X (b A + c A²)` with `A = Xᵀ X`, in place, for every step.
  ///
  /// Products from this side read both operands as they lie; from the other, X Xᵀ copies a transposed X every
  /// time.
  private func iterate(_ matrix: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    var gramStorage = Tensor(uninitialized: [columns, columns])
    var polynomialStorage = Tensor(uninitialized: [columns, columns])
    var nextStorage = Tensor(uninitialized: [rows, columns])
    let (gram, polynomial) = (gramStorage.mutableElements, polynomialStorage.mutableElements)
    var (current, next) = (matrix, nextStorage.mutableElements)
    let a = MatrixView(gram, rows: columns, columns: columns)
    let b = MatrixView(polynomial, rows: columns, columns: columns)

    for step in coefficients {
      let x = MatrixView(current, rows: rows, columns: columns)
      multiply(x.transposed, x, into: gram, triangle: .upperResult, precision: precision)
      kernels.mirror_upper(gram, columns)
      multiply(
        a, a, into: polynomial, scale: step.c,
        adding: .matrix(gram, rowStride: columns, factor: step.b), triangle: .upperResult,
        precision: precision)
      kernels.mirror_upper(polynomial, columns)
      multiply(
        x, b, into: next, adding: .matrix(current, rowStride: columns, factor: step.a),
        precision: precision)
      swap(&current, &next)
    }
    if current != matrix { matrix.update(from: current, count: rows * columns) }
  }
}
