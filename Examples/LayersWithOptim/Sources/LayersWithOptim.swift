import NanoLayers
import NanoOptim

/// Trains three layers to tell two spirals apart: Muon for the hidden matrices, AdamW for the rest, in a loop of its own.
@main
enum LayersWithOptim {
  static let (points, steps, width) = (400, 400, 32)

  static func main() {
    var generator = RandomGenerator(seed: 1)
    var layers: [any Layer] = [
      Linear(inputs: 2, outputs: width, using: &generator),
      MLP(width: width, hiddenWidth: 2 * width, activation: .gelu, using: &generator),
      Linear(inputs: width, outputs: 2, role: .outputHead, using: &generator),
    ]
    var optimizer = ParameterOptimizer(
      RoutedOptimizer(Muon(learningRate: 0.02), where: \.shape.isMatrix, otherwise: AdamW(learningRate: 0.01)))
    let schedule: any LearningRateSchedule = .linear(totalSteps: steps)

    let (input, arms) = spirals()
    var losses: [Float] = []
    for step in 0..<steps {
      let (loss, gradients) = valueWithGradients { tape in
        logits(layers, input, on: tape).crossEntropy(targets: arms)
      }
      losses.append(loss)
      let factors = StepFactors(learningRate: schedule.factor(at: step))
      for index in layers.indices {
        layers[index].visitParameters(.root()) { name, parameter in
          guard let gradient = gradients[parameter.id] else { return }
          optimizer.update(&parameter, gradient: gradient, named: name.text, factors: factors)
        }
      }
    }

    let tape = Tape(recording: false)
    let scores = logits(layers, input, on: tape).value.scalars
    let right = arms.indices.count { (scores[2 * $0 + 1] > scores[2 * $0]) == (arms[$0] == 1) }
    print("loss before \(losses[0]), after \(losses[steps - 1]); \(right) of \(points) points told right")
    precondition(right > points * 9 / 10, "the layers did not learn the spirals")
  }

  static func logits(_ layers: [any Layer], _ input: Tensor, on tape: Tape) -> Variable {
    let context = ForwardContext(tape: tape, sequenceLength: 1)
    return layers.reduce(tape.constant(input)) { $1($0, in: context) }
  }

  /// Points in turn on one arm and on the other, which is the first turned by half a circle.
  static func spirals() -> (points: Tensor, arms: [Int32]) {
    var (scalars, arms) = ([Float](), [Int32]())
    // One step of a rotation by 0.02 radians, and growth to a radius of 1.
    var (x, y, radius) = (Float(1), Float(0), Float(0.1))
    for index in 0..<points {
      let arm = index % 2
      let side: Float = arm == 0 ? 1 : -1
      scalars += [side * radius * x, side * radius * y]
      arms.append(Int32(arm))
      (x, y) = (0.9998 * x - 0.02 * y, 0.02 * x + 0.9998 * y)
      radius += 0.9 / Float(points)
    }
    return (Tensor(scalars, shape: [points, 2]), arms)
  }
}
