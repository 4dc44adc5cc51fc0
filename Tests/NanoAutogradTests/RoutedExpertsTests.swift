import AutogradTestSupport
import Foundation
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func dispatchEqualsTheDenseComputationWithMaskedExperts() {
  let (rows, width, hidden, experts) = (9, 4, 3, 5)
  // Expert 4 is never chosen.
  let logits = Tensor(
    (0..<rows * experts).map { $0 % experts == 4 ? -9 : Float(sin(Double($0) * 2.3)) },
    shape: [rows, experts])
  let inputs = [
    wave([rows, width]), wave([experts, 2 * hidden, width], frequency: 1.1),
    wave([experts, width, hidden], frequency: 0.8, phase: 1), logits,
  ]
  let selection = chosenExperts(logits, .sigmoid)
  #expect(selection.loads[4] == 0 && selection.loads.reduce(0, +) == 18)
  let check = GradientCheck(inputs) { _, v in
    let (weights, selection) = v[3].routed(topK: 2, scoring: .sigmoid)
    return v[0].routedExperts(weights: weights, selection: selection, gateUp: v[1], down: v[2])
  } reference: { x in
    var result = [Double](repeating: 0, count: rows * width)
    for row in 0..<rows {
      let input = Array(x[0][row * width..<(row + 1) * width])
      let chosen = (0..<2).map { Int(selection.experts[row * 2 + $0]) }
      let s = chosen.map { Reference.sigmoid(x[3][row * experts + $0]) }
      for (expert, score) in zip(chosen, s) {
        let gateUp = Array(x[1][expert * 2 * hidden * width..<(expert + 1) * 2 * hidden * width])
        let down = Array(x[2][expert * width * hidden..<(expert + 1) * width * hidden])
        let h = Reference.linear(input, gateUp, nil, inputs: width)
        let y = Reference.linear(Reference.swiGLU(h, width: hidden), down, nil, inputs: hidden)
        for column in 0..<width { result[row * width + column] += score / s.reduce(0, +) * y[column] }
      }
    }
    return result
  }
  #expect(check.worst < 3e-4)
}

/// Gradients of everything that chosen experts read, in half precision: those of float32 up to the rounding.
@Test(arguments: [Precision.bfloat16, .float16, .float32Split])
func chosenExpertsInOtherPrecisionsAgreeWithFloat32(precision: Precision) {
  let (rows, width, hidden, experts) = (70, 24, 20, 3)
  let logits = wave([rows, experts], frequency: 1.9)
  let inputs = [
    wave([rows, width]), wave([experts, 2 * hidden, width], frequency: 1.1),
    wave([experts, width, hidden], frequency: 0.8, phase: 1),
  ].map { Parameter($0, role: .gain) }
  func gradients(_ precision: Precision) -> [[Float]] {
    let tape = Tape(precision: precision)
    let (weights, selection) = tape.constant(logits).routed(topK: 2, scoring: .sigmoid)
    let v = inputs.map(tape.variable)
    let output = v[0].routedExperts(
      weights: weights, selection: selection, gateUp: v[1], down: v[2])
    let cotangent = tape.constant(wave(output.shape, frequency: 1.3, phase: 0.5))
    let gradients = tape.gradients(of: (output * cotangent).sum())
    return inputs.map { gradients[$0.id]!.scalars }
  }
  for (gradient, expected) in zip(gradients(precision), gradients(.float32)) {
    let difference = relativeDifference(gradient, expected)
    switch precision {
    case .bfloat16: #expect(difference < 6e-2 && difference > 1e-4)
    case .float16: #expect(difference < 8e-3 && difference > 1e-5)
    case .float32, .float32Split: #expect(difference < 2e-4)
    }
  }
}
