import Foundation
import NanoAutograd
import NanoTensor
import NanoTestSupport
import Testing

private func softmax(_ x: [Double]) -> [Double] { Reference.softmax(x, width: x.count) }
private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

@Test func rmsNorm() {
  let check = GradientCheck([wave([5, 19]), wave([19], frequency: 0.3, phase: 1)]) { _, v in
    v[0].rmsNorm(gain: v[1], epsilon: 1e-3)
  } reference: { x in
    (0..<5).flatMap { row -> [Double] in
      let values = x[0][row * 19..<row * 19 + 19]
      let root = (values.reduce(0) { $0 + $1 * $1 } / 19 + 1e-3).squareRoot()
      return zip(values, x[1]).map { $0 / root * $1 }
    }
  }
  #expect(check.worst < 2e-4)
}

@Test func geluIsTheExactForm() {
  let check = GradientCheck([wave([3, 21], scale: 3)]) { _, v in
    v[0].gelu()
  } reference: { x in
    x[0].map { $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot())) }
  }
  #expect(check.worst < 2e-4)
}

@Test func columnsOfRows() {
  let check = GradientCheck([wave([4, 7])]) { _, v in
    v[0].columns(2..<5)
  } reference: { x in
    (0..<4).flatMap { row in (2..<5).map { x[0][row * 7 + $0] } }
  }
  #expect(check.worst < 1e-4)
}

/// Pairs of channels turned by t · base^(-2i/width).
private func rotated(
  _ x: [Double], width: Int, length: Int, layout: RotaryEmbedding.Layout, base: Double = 100
) -> [Double] {
  var result = x
  for row in 0..<x.count / width {
    for pair in 0..<width / 2 {
      let angle = Double(row % length) * pow(base, -2 * Double(pair) / Double(width))
      let first = row * width + (layout == .interleaved ? 2 * pair : pair)
      let second = first + (layout == .interleaved ? 1 : width / 2)
      result[first] = x[first] * cos(angle) - x[second] * sin(angle)
      result[second] = x[second] * cos(angle) + x[first] * sin(angle)
    }
  }
  return result
}

/// Widths of pairs one by one, in vectors, and both.
@Test(arguments: [RotaryEmbedding.Layout.interleaved, .halves], [6, 16, 38])
func rotaryEmbedding(layout: RotaryEmbedding.Layout, width: Int) {
  let rotary = RotaryEmbedding(width: width, positionCount: 8, base: 100, layout: layout)
  let check = GradientCheck([wave([10, width])]) { _, v in
    v[0].rotated(by: rotary, sequenceLength: 5)
  } reference: { x in
    rotated(x[0], width: width, length: 5, layout: layout)
  }
  #expect(check.worst < 1e-4)
}

@Test func rotatedProductsDependOnTheDistanceAlone() {
  let rotary = RotaryEmbedding(width: 8, positionCount: 64)
  let (q, k) = (wave([1, 8], phase: 0.4), wave([1, 8], phase: 2))
  func product(_ i: Int, _ j: Int) -> Float {
    func row(_ x: Tensor, at position: Int) -> [Float] {
      let tape = Tape(recording: false)
      let rows = Tensor(
        (0...position).flatMap { _ in x.scalars }, shape: [position + 1, 8])
      return Array(
        tape.constant(rows).rotated(by: rotary, sequenceLength: position + 1).value.scalars.suffix(8))
    }
    return zip(row(q, at: i), row(k, at: j)).reduce(0) { $0 + $1.0 * $1.1 }
  }
  #expect(abs(product(9, 4) - product(55, 50)) < 1e-5)
  #expect(abs(product(9, 4) - product(9, 5)) > 1e-3)
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
      logit = $0[0]
    }
    let cotangent = tape.constant(Tensor([q], shape: [1, 1]))
    let gradient = tape.gradients(of: (output * cotangent).sum())[input.id]!
    return [output.value.scalars[0], logit, gradient.scalars[2]]
  }
  #expect(run(.float32) == [v, 2 * q * k, q])
  #expect(run(.bfloat16) == [rounded, 2 * rounded, rounded])
}

@Test func latentAttentionReadsOperandsInTheTapesPrecision() {
  func run(_ precision: Precision) -> [Float] {
    let tape = Tape(recording: false, precision: precision)
    var logit: Float = 0
    let query = tape.constant(Tensor([1, 1.01171875, 0], shape: [1, 3]))
    let output = query.latentAttention(
      keyValue: tape.constant(Tensor([0, 1.01953125], shape: [1, 2])),
      sharedKey: tape.constant(Tensor([1, 0], shape: [1, 2])),
      rotary: RotaryEmbedding(width: 2, positionCount: 1, base: 100), headCount: 1, valueWidth: 1,
      sequenceLength: 1, scale: 2
    ) { logit = $0[0] }
    return [output.value.scalars[0], logit]
  }
  #expect(run(.float32) == [1.01953125, 2.0234375])
  #expect(run(.bfloat16) == [1.015625, 2.03125])
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

@Test func latentAttention() {
  let (heads, free, turned, value, length) = (2, 3, 4, 2, 5)
  let rotary = RotaryEmbedding(width: turned, positionCount: 8, base: 100)
  let inputs = [
    wave([10, heads * (free + turned)], frequency: 1.3),
    wave([10, heads * (free + value)], frequency: 0.9, phase: 1), wave([10, turned], phase: 2),
  ]
  var largest: [Float] = []
  let check = GradientCheck(inputs) { _, v in
    v[0].latentAttention(
      keyValue: v[1], sharedKey: v[2], rotary: rotary, headCount: heads, valueWidth: value,
      sequenceLength: length, scale: 0.6
    ) { largest = $0 }
  } reference: { x in
    let shared = rotated(x[2], width: turned, length: length, layout: .interleaved)
    var result: [Double] = []
    for row in 0..<10 {
      for head in 0..<heads {
        func queryOf(_ row: Int) -> [Double] {
          let start = (row * heads + head) * (free + turned)
          let tail = Array(x[0][start + free..<start + free + turned])
          // One row at its position: rows before it stand in for the position.
          let padded = Array(repeating: 0, count: (row % length) * turned) + tail
          return Array(x[0][start..<start + free])
            + rotated(padded, width: turned, length: length, layout: .interleaved).suffix(turned)
        }
        let q = queryOf(row)
        let sequence = row / length * length
        let scores = (sequence...row).map { other -> Double in
          let start = (other * heads + head) * (free + value)
          let key =
            Array(x[1][start..<start + free]) + shared[other * turned..<(other + 1) * turned]
          return 0.6 * zip(q, key).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let p = softmax(scores)
        for channel in 0..<value {
          result.append(
            (sequence...row).enumerated().reduce(0) { sum, entry in
              sum + p[entry.offset]
                * x[1][(entry.element * heads + head) * (free + value) + free + channel]
            })
        }
      }
    }
    return result
  }
  #expect(check.worst < 3e-4)
  #expect(largest.count == 2 && largest.allSatisfy { $0.isFinite && $0 > 0 })
}

@Test func linearCrossEntropyEqualsItsParts() {
  let (input, weight) = (wave([70, 6]), wave([40_000, 6], frequency: 1.7, scale: 0.8))
  var targets = (0..<70).map { Int32($0 * 571 % 40_000) }
  let parameters = [input, weight].map { Parameter($0, role: .gain) }
  func gradients(_ body: (Variable, Variable) -> Variable) -> (Float, [[Float]]) {
    let tape = Tape()
    let loss = body(tape.variable(parameters[0]), tape.variable(parameters[1])) * 3
    let gradients = tape.gradients(of: loss)
    return (loss.value.scalar, parameters.map { gradients[$0.id]!.scalars })
  }
  let fused = gradients { $0.linearCrossEntropy(weight: $1, targets: targets) }
  let parts = gradients { $0.linear(weight: $1).crossEntropy(targets: targets) }
  #expect(abs(fused.0 - parts.0) < 1e-4)
  for (a, b) in zip(fused.1, parts.1) { #expect(relativeDifference(a, b) < 1e-4) }

  // A negative target leaves its row out.
  targets[3] = -1
  let masked = gradients { $0.linearCrossEntropy(weight: $1, targets: targets) }
  #expect(masked.1[0][18..<24].allSatisfy { $0 == 0 })
  #expect(masked.1[0][0] != 0 && masked.0 != fused.0)
}

@Test func uniformLogitsCostTheLogarithmOfTheirNumber() {
  let tape = Tape(recording: false)
  let loss = tape.constant(wave([5, 4])).linearCrossEntropy(
    weight: tape.constant(Tensor(zeros: [4096, 4])), targets: [0, 1, 2, 3, 4095])
  #expect(loss.value.scalar == Float(log(4096.0)))
}

// MARK: Routing

/// The two experts of every row.
private func select(
  _ logits: Tensor, _ scoring: RouterScoring, biases: [Float]? = nil
) -> ExpertSelection {
  let tape = Tape(recording: false)
  return withExtendedLifetime(tape) {
    tape.constant(logits).routed(topK: 2, scoring: scoring, biases: biases).selection
  }
}

@Test(arguments: [RouterScoring.sigmoid, .softmax], [true, false])
func routedWeights(scoring: RouterScoring, normalizes: Bool) {
  let logits = wave([6, 5], frequency: 1.9, scale: 1.5)
  let biases: [Float] = [0.3, -0.2, 0, 0.1, -0.4]
  let selection = select(logits, scoring, biases: biases)
  func scores(_ x: ArraySlice<Double>) -> [Double] {
    scoring == .sigmoid ? x.map(sigmoid) : softmax(Array(x))
  }
  let check = GradientCheck([logits]) { _, v in
    v[0].routed(
      topK: 2, scoring: scoring, biases: biases, normalizes: normalizes, scale: 1.7
    ).weights
  } reference: { x in
    (0..<6).flatMap { row -> [Double] in
      let s = scores(x[0][row * 5..<row * 5 + 5])
      let chosen = (0..<2).map { s[Int(selection.experts[row * 2 + $0])] }
      return chosen.map { 1.7 * $0 / (normalizes ? chosen.reduce(0, +) : 1) }
    }
  }
  #expect(check.worst < 2e-4)
  for row in 0..<6 {
    let s = scores(logits.scalars.map(Double.init)[row * 5..<row * 5 + 5])
    let ranked = (0..<5).sorted { s[$0] + Double(biases[$0]) > s[$1] + Double(biases[$1]) }
    #expect(selection.experts[row * 2..<row * 2 + 2].map(Int.init) == Array(ranked.prefix(2)))
  }
}

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
  let selection = select(logits, .sigmoid)
  #expect(selection.loads[4] == 0 && selection.loads.reduce(0, +) == 18)
  let check = GradientCheck(inputs) { _, v in
    let (weights, selection) = v[3].routed(topK: 2, scoring: .sigmoid)
    return v[0].routedExperts(weights: weights, selection: selection, gateUp: v[1], down: v[2])
  } reference: { x in
    var result = [Double](repeating: 0, count: rows * width)
    for row in 0..<rows {
      let input = Array(x[0][row * width..<(row + 1) * width])
      let chosen = (0..<2).map { Int(selection.experts[row * 2 + $0]) }
      let s = chosen.map { sigmoid(x[3][row * experts + $0]) }
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

@Test func routerLosses() {
  let logits = wave([8, 4], frequency: 1.9, scale: 1.5)
  let selection = select(logits, .sigmoid)
  let balance = GradientCheck([logits]) { _, v in
    v[0].sequenceBalanceLoss(selection, scoring: .sigmoid, sequenceLength: 4)
  } reference: { x in
    let losses = (0..<2).map { sequence -> Double in
      let rows = sequence * 4..<sequence * 4 + 4
      return (0..<4).reduce(0) { sum, expert in
        let chosen = rows.reduce(0) { count, row in
          count + selection.experts[row * 2..<row * 2 + 2].count { Int($0) == expert }
        }
        let share = rows.reduce(0.0) { sum, row in
          let s = (0..<4).map { sigmoid(x[0][row * 4 + $0]) }
          return sum + s[expert] / s.reduce(0, +) / 4
        }
        return sum + 4 / (2 * 4) * Double(chosen) * share
      }
    }
    return [losses.reduce(0, +) / 2]
  }
  #expect(balance.worst < 3e-4)
  let z = GradientCheck([logits]) { _, v in
    v[0].routerZLoss()
  } reference: { x in
    let squares = (0..<8).map { row in
      pow(log((0..<4).reduce(0) { $0 + exp(x[0][row * 4 + $1]) }), 2)
    }
    return [squares.reduce(0, +) / 8]
  }
  #expect(z.worst < 2e-4)
}

// MARK: Dropout

@Test func dropoutKeepsTheMeanAndMasksTheGradient() {
  let parameter = Parameter(Tensor(repeating: 1, shape: [64, 100]), role: .gain)
  var dropout = Dropout(rate: 0.25, generator: RandomGenerator(seed: 1), firstSequence: 3)
  let tape = Tape()
  let output = dropout(tape.variable(parameter), sequenceLength: 16)
  let values = output.value.scalars
  let zeros = values.count { $0 == 0 }
  #expect(abs(Double(zeros) / 6_400 - 0.25) < 0.03)
  #expect(values.allSatisfy { $0 == 0 || abs($0 - 4.0 / 3) < 1e-6 })
  #expect(tape.gradients(of: output.sum())[parameter.id]?.scalars == values)
  // The second half of the sequences alone has the second half of the mask.
  var half = Dropout(rate: 0.25, generator: RandomGenerator(seed: 1), firstSequence: 5)
  let other = Tape(recording: false)
  let part = half(other.constant(Tensor(repeating: 1, shape: [32, 100])), sequenceLength: 16)
  #expect(part.value.scalars == Array(values.suffix(3_200)))
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

// MARK: Tape

@Test func auxiliaryLossesTakePartWithTheirCoefficient() {
  let parameter = Parameter(wave([3]), role: .gain)
  let tape = Tape()
  let x = tape.variable(parameter)
  let main = x.withAuxiliaryLoss((x * x).sum(), coefficient: 0.25).sum()
  let gradient = tape.gradients(of: main, seed: 2)[parameter.id]!.scalars
  let expected = parameter.value.scalars.map { 2 * (1 + 0.25 * 2 * $0) }
  #expect(main.value.scalar == Float(parameter.value.sum))
  #expect(relativeDifference(gradient, expected) < 1e-6)
}

@Test func checkpointsGiveTheSameBits() {
  let parameters = [wave([6, 5]), wave([5, 5], phase: 1), wave([5], phase: 2)].map {
    Parameter($0, role: .gain)
  }
  func gradients(checkpointed: Bool) -> [[Float]] {
    let tape = Tape()
    let x = tape.variable(parameters[0])
    func block(_ x: Variable) -> Variable {
      let hidden = x.linear(weight: x.tape.variable(parameters[1])).gelu()
      return (x + hidden.rmsNorm(gain: x.tape.variable(parameters[2])))
        .withAuxiliaryLoss((x * x).sum(), coefficient: 0.1)
    }
    var hidden = x
    for _ in 0..<2 {
      hidden = checkpointed ? tape.checkpoint(hidden) { x, _ in block(x) } : block(hidden)
    }
    let result = tape.gradients(of: (hidden * hidden).sum(), seed: 0.5)
    return parameters.map { result[$0.id]!.scalars }
  }
  #expect(gradients(checkpointed: true) == gradients(checkpointed: false))
}
