import AutogradTestSupport
import Foundation
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test(arguments: [(1, 6), (5, 6), (17, 6), (32, 6), (16, 16)])
func causalAttention(length: Int, headWidth: Int) {
  let input = wave([2 * length, 3 * 2 * headWidth], frequency: 1.37)
  let check = GradientCheck([input]) { _, v in
    v[0].causalAttention(sequenceLength: length, headCount: 2, scale: 0.8)
  } reference: { v in
    Reference.attention(v[0], length: length, heads: 2, width: headWidth, scale: 0.8)
  }
  #expect(check.worst < 1e-4)
}

@Test(arguments: [5, 70])  // kept and recomputed probabilities
func causalAttentionOfShortAndLongSequences(length: Int) {
  let inputs = [wave([2 * length, 12], frequency: 1.3)]
  func run(_ tape: Tape, _ v: [Variable]) -> Variable {
    v[0].causalAttention(sequenceLength: length, headCount: 2, scale: 0.7)
  }
  if length < 10 {
    let check = GradientCheck(inputs, operation: run) { x in
      Reference.attention(x[0], length: length, heads: 2, width: 2, scale: 0.7)
    }
    #expect(check.worst < 2e-4)
  } else {
    // The reference by differences would take minutes: against one head and sequence at a time instead,
    // and the value against the reference.
    let tape = Tape(recording: false)
    let value = run(tape, [tape.constant(inputs[0])]).value.scalars
    let expected = Reference.attention(
      inputs[0].scalars.map(Double.init), length: length, heads: 2, width: 2, scale: 0.7)
    #expect(relativeDifference(value, expected.map(Float.init)) < 1e-5)
    #expect(gradientMatchesDirectionalDifference(inputs[0], run))
  }
}

/// Whether the gradient along a direction is what a difference of two evaluations says.
private func gradientMatchesDirectionalDifference(
  _ input: Tensor, _ run: (Tape, [Variable]) -> Variable
) -> Bool {
  let parameter = Parameter(input, role: .gain)
  let direction = wave(input.shape, frequency: 0.9, phase: 1.4)
  let tape = Tape()
  let result = run(tape, [tape.variable(parameter)])
  let cotangent = wave(result.shape, frequency: 1.1, phase: 0.5)
  let gradient = tape.gradients(of: (result * tape.constant(cotangent)).sum())[parameter.id]!
  func objective(_ step: Float) -> Double {
    let tape = Tape(recording: false)
    let value = run(tape, [tape.constant(input + direction * step)]).value
    return (value * cotangent).sum
  }
  let step: Float = 1e-2
  let numeric = (objective(step) - objective(-step)) / Double(2 * step)
  let analytic = (gradient * direction).sum
  return abs(numeric - analytic) < 2e-3 * max(1, abs(analytic))
}

/// One position mixes its own value alone, and the logit of two numbers is their product: what was rounded can
/// be seen.
@Test func attentionReadsOperandsInTheTapesPrecision() {
  let (q, k, v): (Float, Float, Float) = (1.01171875, 1.00390625, 1.01953125)  // 1 + 3, 1 and 5 · 2^-8
  let rounded: Float = 1.015625  // q and v to nearest even; k becomes 1
  func run(_ precision: Precision) -> [Float] {
    let input = Parameter(Tensor([q, k, v], shape: [1, 3]), role: .gain)
    let tape = Tape(precision: precision)
    var logit: Float = 0
    let output = tape.variable(input).causalAttention(sequenceLength: 1, headCount: 1, scale: 2) {
      logit = $0.scalar
    }
    let cotangent = tape.constant(Tensor([q], shape: [1, 1]))
    let gradient = tape.gradients(of: (output * cotangent).sum())[input.id]!
    return [output.value.scalars[0], logit, gradient.scalars[2]]
  }
  #expect(run(.float32) == [v, 2 * q * k, q])
  #expect(run(.bfloat16) == [rounded, 2 * rounded, rounded])
}

/// Gradients of queries, keys and values in half precision: those of float32 up to the rounding.
@Test(arguments: [Precision.bfloat16, .float16, .float32Split], [20, 70])
func attentionInOtherPrecisionsAgreesWithFloat32(precision: Precision, length: Int) {
  let input = Parameter(wave([2 * length, 3 * 12], frequency: 1.37), role: .gain)
  func gradient(_ precision: Precision) -> [Float] {
    let tape = Tape(precision: precision)
    let output = tape.variable(input).causalAttention(
      sequenceLength: length, headCount: 2, scale: 0.8)
    let cotangent = tape.constant(wave(output.shape, frequency: 1.1, phase: 0.5))
    return tape.gradients(of: (output * cotangent).sum())[input.id]!.scalars
  }
  let difference = relativeDifference(gradient(precision), gradient(.float32))
  switch precision {
  case .bfloat16: #expect(difference < 2e-2 && difference > 1e-4)
  case .float16: #expect(difference < 2e-3 && difference > 1e-5)
  case .float32, .float32Split: #expect(difference < 1e-4)
  }
}

/// Lengths whose probabilities are kept, and computed again.
@Test(arguments: [(1, 1), (9, 2), (67, 1)]) func attentionDropout(length: Int, sequences: Int) {
  let (heads, width) = (2, 3)
  func masks() -> DropoutMasks {
    var dropout = Dropout(rate: 0.4, generator: RandomGenerator(seed: 2), firstSequence: 1)
    return dropout.nextMasks()
  }
  // Uniform probabilities 1/(i + 1) mixed with a value that is one at row j alone show column j of the mask.
  let rows = sequences * length
  let columns = (0..<length).map { j in
    var input = [Float](repeating: 0, count: rows * 3 * heads * width)
    for row in stride(from: j, to: rows, by: length) {
      for head in 0..<heads { input[(row * 3 + 2) * heads * width + head * width] = 1 }
    }
    let tape = Tape(recording: false)
    return tape.constant(Tensor(input, shape: [rows, 3 * heads * width])).causalAttention(
      sequenceLength: length, headCount: heads, scale: 1, dropout: masks()
    ).value.scalars
  }
  func mask(_ sequence: Int, _ head: Int, _ i: Int, _ j: Int) -> Double {
    let value = columns[j][((sequence * length + i) * heads + head) * width] * Float(i + 1)
    return (Double(value) * 0.6).rounded() / 0.6
  }
  let all = (0..<length).flatMap { i in (0...i).map { mask(0, 0, i, $0) } }
  #expect(length == 1 || Set(all).count == 2)
  #expect(length < 60 || abs(Double(all.count { $0 == 0 }) / Double(all.count) - 0.4) < 0.05)

  let check = GradientCheck([wave([rows, 3 * heads * width], frequency: 1.37)]) { _, v in
    v[0].causalAttention(
      sequenceLength: length, headCount: heads, scale: 0.8, dropout: masks())
  } reference: { v in
    Reference.attention(
      v[0], length: length, heads: heads, width: width, scale: 0.8, mask: mask)
  }
  #expect(check.worst < 3e-4)
}
