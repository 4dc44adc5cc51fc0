import Foundation
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

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
