import Foundation
import NanoAutograd
import NanoTensor

extension Variable {
  /// `y = sin(x)`, `dy/dx = cos(x)`: the value, and how its gradient becomes the input's.
  func sine() -> Variable {
    let (input, node) = (value, node)
    let output = Tensor(input.scalars.map { sin($0) }, shape: input.shape)
    return tape.record(output, inputs: self) { gradient, slots in
      slots.accumulate(gradient * Tensor(input.scalars.map { cos($0) }, shape: input.shape), into: node)
    }
  }
}

/// Adds an operation to the tape, checks its gradient, and fits a curve with a network of it.
/// - SeeAlso: Sitzmann et al., 2020, "SIREN", arXiv:2006.09661.
@main
enum OwnOperation {
  static let (points, width, steps, rate) = (64, 16, 2_000, Float(0.05))

  static func main() {
    checkGradient()

    var generator = RandomGenerator(seed: 1)
    func matrix(_ outputs: Int, _ inputs: Int, within bound: Float) -> Parameter {
      Parameter(
        Tensor(uniformWithin: bound, shape: [outputs, inputs], using: &generator), role: .hiddenMatrix(count: 1))
    }
    var parameters = [matrix(width, 2, within: 3), matrix(1, width, within: 0.5)]
    // A one beside every x stands in for a bias.
    let xs = (0..<points).map { Float($0) / Float(points - 1) * 2 - 1 }
    let input = Tensor(xs.flatMap { [$0, 1] }, shape: [points, 2])
    let target = Tensor(xs.map { abs($0) }, shape: [points, 1])

    var losses: [Float] = []
    for _ in 0..<steps {
      let (loss, gradients) = valueWithGradients { tape in
        let hidden = tape.constant(input).linear(weight: tape.variable(parameters[0])).sine()
        let error = hidden.linear(weight: tape.variable(parameters[1])) - tape.constant(target)
        return (error * error).mean()
      }
      losses.append(loss)
      for index in parameters.indices {
        parameters[index].value += gradients[parameters[index].id]! * -rate
      }
    }
    print("mean squared error before \(losses[0]), after \(losses[steps - 1])")
    precondition(losses[steps - 1] < 0.01 * losses[0], "the network did not learn the curve")
  }

  /// Sets the gradient of `Σ w sin(x)` beside differences of its value.
  static func checkGradient() {
    let (x, weights, step) = ([-2, -0.5, 0, 1, 3] as [Float], [1, -2, 3, 0.5, -1] as [Float], Float(1e-2))
    func value(_ x: [Float]) -> (value: Float, gradient: [Float]) {
      let parameter = Parameter(Tensor(x, shape: [5]), role: .gain)
      let (value, gradients) = valueWithGradients { tape in
        (tape.variable(parameter).sine() * tape.constant(Tensor(weights, shape: [5]))).sum()
      }
      return (value, gradients[parameter.id]!.scalars)
    }
    for index in x.indices {
      var (above, below) = (x, x)
      above[index] += step
      below[index] -= step
      let difference = (value(above).value - value(below).value) / (2 * step)
      let gradient = value(x).gradient[index]
      precondition(abs(gradient - difference) < 1e-3, "sine: gradient \(gradient), difference \(difference)")
    }
    print("the gradient of the sine agrees with differences")
  }
}
