import AutogradTestSupport
import Foundation
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

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
  #expect(check.worst < 1e-4)
}

@Test func uniformLogitsCostLnV() {
  let tape = Tape(recording: false)
  let loss = tape.constant(Tensor(zeros: [2, 65])).crossEntropy(targets: [3, 64])
  #expect(abs(loss.value.scalar - log(Float(65))) < 1e-6)
}
