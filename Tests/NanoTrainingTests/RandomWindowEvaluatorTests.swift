import Foundation
import ModelsTestSupport
import NanoAutograd
import NanoData
import NanoLayers
import NanoModels
import NanoTensor
import Testing

@testable import NanoTraining

@Test func evaluationOfAUniformModelIsLnV() throws {
  var model = try goldenModel(.nanoGPT)
  model.head!.weight.value = Tensor(zeros: [13, 16])
  model.head!.bias!.value = Tensor(zeros: [13])
  let tokens = (0..<500).map { (i: Int) -> Int32 in Int32(i % 13) }
  let text = String(tokens.map { Character(Unicode.Scalar(UInt8($0 + 97))) })
  let evaluator = RandomWindowEvaluator(
    corpus: textCorpus(text, tokens), batchCount: 3, sequenceCount: 5,
    sequenceLength: 8, generator: RandomGenerator(seed: 1))
  #expect(abs(evaluator.meanLoss(of: model, on: .validation, step: 0) - log(13)) < 1e-6)
}
