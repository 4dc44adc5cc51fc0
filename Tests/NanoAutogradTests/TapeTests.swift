import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func tiedWeightsAddUp() {
  let check = GradientCheck([wave([4, 4])]) { _, v in
    v[0].linear(weight: v[0])
  } reference: { v in
    Reference.linear(v[0], v[0], nil, inputs: 4)
  }
  #expect(check.worst < 1e-4)
}

@Test func inferenceRecordsNothing() {
  let tape = Tape(recording: false)
  let parameter = Parameter(wave([2, 2]), role: .gain)
  #expect(tape.variable(parameter).relu().node.isConstant)
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

@Test func gradientsArePassedOnOnceCompleteLastOperationsFirst() {
  let parameters = [wave([4, 4]), wave([4, 4], phase: 1), wave([4, 4], phase: 2)].map { Parameter($0, role: .gain) }
  func loss(_ tape: Tape) -> Variable {
    let x = tape.variable(parameters[0]).gelu()
    let hidden = x.linear(weight: tape.variable(parameters[1])).linear(weight: tape.variable(parameters[2]))
    // Used by the first operation and by the last.
    return hidden.linear(weight: tape.variable(parameters[0])).sum()
  }
  let tape = Tape()
  let all = tape.gradients(of: loss(tape), seed: 0.5)
  var order: [Parameter.ID] = []
  let again = Tape()
  again.forEachGradient(of: loss(again), seed: 0.5) { id, gradient in
    order.append(id)
    #expect(gradient.scalars == all[id]?.scalars)
  }
  #expect(order == [parameters[2].id, parameters[1].id, parameters[0].id])
}

#if compiler(>=6.2)
  @Test func variablesOfTwoTapesAreNotMixed() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let parameter = Parameter(Tensor([1, 2], shape: [2]), role: .gain)
      let (first, second) = (Tape(), Tape())
      _ = (first.variable(parameter) + second.variable(parameter)).sum()
    }
    let error = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(error.contains("+(_:_:): the variable of shape [2] is of another tape"), "\(error)")
  }

  @Test func aTapeIsReadOnce() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let parameter = Parameter(Tensor([1, 2], shape: [2]), role: .gain)
      let tape = Tape()
      let sum = tape.variable(parameter).sum()
      _ = tape.gradients(of: sum)
      _ = tape.gradients(of: sum)
    }
    let error = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(error.contains("gradients(of:): the tape was read before"), "\(error)")
  }
#endif
