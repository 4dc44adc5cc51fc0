import Foundation
public import NanoAutograd
public import NanoTensor
import TensorTestSupport

/// How far an operation is from its reference.
public struct GradientCheck {
  /// Largest relative difference of the results.
  public let value: Double
  /// Largest relative difference of each input's gradient from central differences of the reference.
  public let gradients: [Double]

  public var worst: Double { max(value, gradients.max() ?? 0) }

  /// Compares an operation in Float with a reference in Double: the results, and the gradients of
  /// `Σ cotangent · result` with central differences of the reference.
  public init(
    _ inputs: [Tensor], operation: (Tape, [Variable]) -> Variable,
    reference: ([[Double]]) -> [Double]
  ) {
    let parameters = inputs.map { Parameter($0, role: .gain) }
    self.init(
      parameters, { tape in operation(tape, parameters.map { tape.variable($0) }) },
      reference: reference)
  }

  /// The same for a computation that uses the given parameters.
  public init(
    _ parameters: [Parameter], _ computation: (Tape) -> Variable,
    reference: ([[Double]]) -> [Double]
  ) {
    let inputs = parameters.map(\.value)
    let tape = Tape()
    let result = computation(tape)
    let cotangent = wave(result.shape, frequency: 1.1, phase: 0.5)
    let gradients = tape.gradients(of: (result * tape.constant(cotangent)).sum())

    let point = inputs.map { $0.scalars.map(Double.init) }
    let weights = cotangent.scalars.map(Double.init)
    func objective(_ inputs: [[Double]]) -> Double {
      zip(reference(inputs), weights).reduce(0) { $0 + $1.0 * $1.1 }
    }
    value = relativeDifference(result.value.scalars, reference(point).map(Float.init))
    let step = 1e-5
    self.gradients = inputs.indices.map { index in
      let numeric = point[index].indices.map { element -> Float in
        var (above, below) = (point, point)
        above[index][element] += step
        below[index][element] -= step
        return Float((objective(above) - objective(below)) / (2 * step))
      }
      guard let analytic = gradients[parameters[index].id] else { return .infinity }
      return relativeDifference(analytic.scalars, numeric)
    }
  }
}
