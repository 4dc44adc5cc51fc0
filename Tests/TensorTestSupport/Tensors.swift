import Foundation
public import NanoTensor

/// The largest difference between two arrays, relative to the largest magnitude in the second.
public func relativeDifference(_ values: [Float], _ expected: [Float]) -> Double {
  guard values.count == expected.count else { return .infinity }
  let scale = expected.map { Double(abs($0)) }.max() ?? 0
  let differences = zip(values, expected).map { abs(Double($0) - Double($1)) }
  guard differences.allSatisfy(\.isFinite) else { return .infinity }
  return (differences.max() ?? 0) / max(scale, 1e-12)
}

/// sin(frequency · i + phase), to the given shape.
public func wave(_ shape: Shape, frequency: Double = 0.7, phase: Double = 0.2, scale: Double = 1)
  -> Tensor
{
  Tensor(
    (0..<shape.elementCount).map { Float(scale * sin(frequency * Double($0) + phase)) },
    shape: shape)
}
