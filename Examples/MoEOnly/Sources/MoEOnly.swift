import NanoLayers

/// Trains one mixture of experts, and nothing else, on points that turn by another angle in each quadrant.
@main
enum MoEOnly {
  static let (points, steps, rate) = (256, 1_500, Float(0.5))

  static func main() {
    var generator = RandomGenerator(seed: 1)
    let input = Tensor(uniformWithin: 1, shape: [points, 2], using: &generator)
    let target = turned(input)
    var mixture = DenseMoE(
      width: 2, .init(expertCount: 4, expertWidth: 16), using: &generator)

    var losses: [Float] = []
    for _ in 0..<steps {
      let (loss, gradients) = valueWithGradients { tape in
        let context = ForwardContext(tape: tape, sequenceLength: 1)
        let error = mixture(tape.constant(input), in: context) - tape.constant(target)
        return (error * error).mean()
      }
      losses.append(loss)
      mixture.visitParameters(.root()) { _, parameter in
        if let gradient = gradients[parameter.id] { parameter.value += gradient * -rate }
      }
    }
    print("mean squared error before \(losses[0]), after \(losses[steps - 1])")
    precondition(losses[steps - 1] < 0.1 * losses[0], "the mixture did not learn the turns")

    for corner in [(1, 1), (-1, 1), (-1, -1), (1, -1)] as [(Float, Float)] {
      let point = Tensor([corner.0 / 2, corner.1 / 2], shape: [1, 2])
      let tape = Tape(recording: false)
      let context = ForwardContext(tape: tape, sequenceLength: 1)
      let gates = mixture.gateProbabilities(tape.constant(point), in: context)
      let shares = gates.value.scalars.map { "\(Int(($0 * 100).rounded())) %" }
      print("experts around \(corner): \(shares.joined(separator: ", "))")
    }
  }

  /// Every point turned by no, one, two or three quarters, by its quadrant.
  static func turned(_ input: Tensor) -> Tensor {
    let coordinates = input.scalars
    var result: [Float] = []
    for index in stride(from: 0, to: coordinates.count, by: 2) {
      let (x, y) = (coordinates[index], coordinates[index + 1])
      switch (x > 0, y > 0) {
      case (true, true): result += [x, y]
      case (false, true): result += [-y, x]
      case (false, false): result += [-x, -y]
      case (true, false): result += [y, -x]
      }
    }
    return Tensor(result, shape: input.shape)
  }
}
