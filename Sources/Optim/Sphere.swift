internal import NanoTensor

/// The sphere around zero that a matrix lies on, in the Frobenius norm.
struct Sphere {
  private let radius: Float
  /// So that nothing is divided by zero.
  private static let smallestNorm: Float = 1e-10

  init(through matrix: Span<Float>) { radius = Float(kernels.sumOfSquares(matrix).squareRoot()) }

  /// The factor on a direction that makes its length this share of the radius.
  func step(_ share: Float, along direction: Tensor) -> Float {
    share * radius / max(direction.norm, Self.smallestNorm)
  }

  /// Takes a part of a parameter back to the sphere.
  func project(_ parameter: inout MutableSpan<Float>, _ range: Range<Int>) {
    let norm = Float(kernels.sumOfSquares(parameter.span.extracting(range)).squareRoot())
    let factor = radius / max(norm, Self.smallestNorm)
    for index in range { parameter[index] *= factor }
  }
}
