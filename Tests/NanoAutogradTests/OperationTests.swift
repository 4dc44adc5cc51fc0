import Foundation
import NanoAutograd
import NanoTensor
import NanoTestSupport
import Testing

private let tolerance = 1e-4

@Test func arithmetic() {
  let x = wave([3, 5])
  let y = wave([3, 5], frequency: 1.9)
  let check = GradientCheck([x, y]) { _, v in
    (v[0] + v[1]) * v[0] - v[1] * 0.5
  } reference: { v in
    zip(v[0], v[1]).map { ($0 + $1) * $0 - $1 * 0.5 }
  }
  #expect(check.worst < tolerance)
}

@Test func reductions() {
  let check = GradientCheck([wave([4, 3])]) { _, v in
    v[0].reshaped([3, 4]).mean()
  } reference: { v in
    [v[0].reduce(0, +) / 12]
  }
  #expect(check.worst < tolerance)
}

@Test func linear() {
  let inputs = [wave([6, 10]), wave([17, 10], frequency: 1.7), wave([17], frequency: 0.4)]
  let check = GradientCheck(inputs) { _, v in
    v[0].linear(weight: v[1], bias: v[2])
  } reference: { v in
    Reference.linear(v[0], v[1], v[2], inputs: 10)
  }
  #expect(check.worst < tolerance)
}

@Test func tiedWeightsAddUp() {
  let check = GradientCheck([wave([4, 4])]) { _, v in
    v[0].linear(weight: v[0])
  } reference: { v in
    Reference.linear(v[0], v[0], nil, inputs: 4)
  }
  #expect(check.worst < tolerance)
}

@Test func relu() {
  let check = GradientCheck([wave([5, 9])]) { _, v in
    v[0].relu()
  } reference: { v in
    v[0].map { max($0, 0) }
  }
  #expect(check.worst < tolerance)
}

@Test func silu() {
  let check = GradientCheck([wave([5, 9], scale: 4)]) { _, v in
    v[0].silu()
  } reference: { v in
    v[0].map(Reference.silu)
  }
  #expect(check.worst < tolerance)
}

@Test(arguments: [5, 38]) func swiGLU(width: Int) {
  let check = GradientCheck([wave([4, 2 * width], scale: 3)]) { _, v in
    v[0].swiGLU()
  } reference: { v in
    Reference.swiGLU(v[0], width: width)
  }
  #expect(check.worst < tolerance)
}

@Test(arguments: [4, 19]) func softmax(width: Int) {
  let check = GradientCheck([wave([3, width], scale: 3)]) { _, v in
    v[0].softmax()
  } reference: { v in
    Reference.softmax(v[0], width: width)
  }
  #expect(check.worst < tolerance)
}

@Test(arguments: [5, 16, 37]) func layerNorm(width: Int) {
  let inputs = [wave([4, width]), wave([width], frequency: 0.3), wave([width], frequency: 1.3)]
  let check = GradientCheck(inputs) { _, v in
    v[0].layerNorm(gain: v[1], bias: v[2])
  } reference: { v in
    Reference.layerNorm(v[0], v[1], v[2])
  }
  #expect(check.worst < 5e-4)
}

@Test func gathered() {
  let indices: [Int32] = [2, 0, 2, 1]
  let check = GradientCheck([wave([3, 7])]) { _, v in
    v[0].gathered(indices)
  } reference: { v in
    indices.flatMap { v[0][Int($0) * 7..<Int($0) * 7 + 7] }
  }
  #expect(check.worst < tolerance)
}

@Test(arguments: [(1, 6), (5, 6), (17, 6), (32, 6), (16, 16)])
func causalAttention(length: Int, headWidth: Int) {
  let input = wave([2 * length, 3 * 2 * headWidth], frequency: 1.37)
  let check = GradientCheck([input]) { _, v in
    v[0].causalAttention(sequenceLength: length, headCount: 2, scale: 0.8)
  } reference: { v in
    Reference.attention(v[0], length: length, heads: 2, width: headWidth, scale: 0.8)
  }
  #expect(check.worst < tolerance)
}

/// A negative target leaves its row out.
@Test(arguments: [[0, 18, 7], [0, -1, 7]] as [[Int32]])
func crossEntropy(targets: [Int32]) {
  let check = GradientCheck([wave([3, 19], scale: 3)]) { _, v in
    v[0].crossEntropy(targets: targets)
  } reference: {
    v in
    let p = Reference.softmax(v[0], width: 19)
    let losses = targets.enumerated().filter { $0.element >= 0 }.map {
      -log(p[$0.offset * 19 + Int($0.element)])
    }
    return [losses.reduce(0, +) / Double(losses.count)]
  }
  #expect(check.worst < tolerance)
}

@Test func uniformLogitsCostLnV() {
  let tape = Tape(recording: false)
  let loss = tape.constant(Tensor(zeros: [2, 65])).crossEntropy(targets: [3, 64])
  #expect(abs(loss.value.scalar - log(Float(65))) < 1e-6)
}

@Test(arguments: [6, 19]) func expertMixture(width: Int) {
  let inputs = [
    wave([5, 3 * 2 * width], scale: 2), wave([5, 3], frequency: 0.9),
    wave([3, 4, width], frequency: 1.9), wave([3, 4], frequency: 0.3),
  ]
  let check = GradientCheck(inputs) { _, v in
    v[0].expertMixture(gates: v[1], weight: v[2], bias: v[3])
  } reference: { v in
    Reference.mixture(
      Reference.swiGLU(v[0], width: width), v[1], v[2], v[3], experts: 3, inputs: width)
  }
  #expect(check.worst < tolerance)
}

@Test func inferenceRecordsNothing() {
  let tape = Tape(recording: false)
  let parameter = Parameter(wave([2, 2]), role: .gain)
  #expect(tape.variable(parameter).relu().node.isConstant)
}
