internal import NanoTensor

/// The Euclidean norm of all gradients together, for clipping.
///
/// ```swift
/// var norm = GlobalNorm()
/// for gradient in gradients { norm.add(gradient.span) }
/// let factors = StepFactors(gradient: norm.factor(clippingTo: 1))
/// ```
/// - SeeAlso: Pascanu, Mikolov, Bengio, 2012, arXiv:1211.5063.
public struct GlobalNorm: Hashable, Sendable {
  private var sumOfSquares = 0.0

  /// The norm of gradients whose elements' squares have been added up.
  public init(sumOfSquares: Double = 0) { self.sumOfSquares = sumOfSquares }

  /// Takes a gradient into account.
  public mutating func add(_ gradient: Span<Float>) {
    sumOfSquares += kernels.sumOfSquares(gradient)
  }

  /// √Σg² over all that was added.
  public var value: Float { Float(sumOfSquares.squareRoot()) }

  /// What to multiply every gradient by, so that the norm is at most `limit`: `min(1, limit / norm)`.
  public func factor(clippingTo limit: Float) -> Float {
    value > limit ? limit / value : 1
  }
}
