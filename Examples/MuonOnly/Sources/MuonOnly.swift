import NanoOptim

/// Recovers a linear map from examples with Muon, on plain arrays: no tensor, no tape, no layer.
@main
enum MuonOnly {
  static let (inputs, outputs, examples) = (12, 8, 64)

  static func main() {
    let truth = waves(outputs * inputs, frequency: 0.7)
    let x = waves(examples * inputs, frequency: 1.3)
    let y = product(x, truth)

    let muon = Muon(learningRate: 0.05)
    var weights = [Float](repeating: 0, count: outputs * inputs)
    var state = muon.makeState(
      for: ParameterDescription(name: "weights", shape: .matrix(outputs: outputs, inputs: inputs)))
    let steps = 300
    let schedule = CosineSchedule(warmUpSteps: 0, totalSteps: steps, finalFactor: 0)

    let before = loss(weights, x, y)
    for step in 0..<steps {
      muon.update(
        &weights, gradient: gradient(weights, x, y),
        factors: StepFactors(learningRate: schedule.factor(at: step)), state: &state)
    }
    let after = loss(weights, x, y)
    print("mean squared error before \(before), after \(after)")
    precondition(after < 1e-3 * before, "Muon did not learn the map")
  }

  /// Numbers that are neither constant nor random.
  static func waves(_ count: Int, frequency: Float) -> [Float] {
    var phase: Float = 0.1
    return (0..<count).map { _ in
      phase = (phase * 3.9 * (1 - phase)) + 0.001 * frequency
      phase -= phase.rounded(.down)
      return 2 * phase - 1
    }
  }

  /// Rows of `x` times the transpose of `w`.
  static func product(_ x: [Float], _ w: [Float]) -> [Float] {
    (0..<examples * outputs).map { index in
      let (example, output) = index.quotientAndRemainder(dividingBy: outputs)
      return (0..<inputs).reduce(0) { $0 + x[example * inputs + $1] * w[output * inputs + $1] }
    }
  }

  static func loss(_ w: [Float], _ x: [Float], _ y: [Float]) -> Float {
    zip(product(x, w), y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / Float(y.count)
  }

  static func gradient(_ w: [Float], _ x: [Float], _ y: [Float]) -> [Float] {
    let errors = zip(product(x, w), y).map { $0 - $1 }
    return (0..<outputs * inputs).map { index in
      let (output, input) = index.quotientAndRemainder(dividingBy: inputs)
      return (0..<examples).reduce(0) {
        $0 + 2 / Float(y.count) * errors[$1 * outputs + output] * x[$1 * inputs + input]
      }
    }
  }
}
