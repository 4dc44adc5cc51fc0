import Foundation
import ModelsTestSupport
import NanoModels
import NanoTensor
import Testing

@Test func weightsRoundTripAndMismatchesAreNamed() throws {
  let model = try goldenModel(.nanoKimi)
  var tensors = try Safetensors.decode(Safetensors.encode(model.weights))
  var other = try goldenModel(.nanoKimi)
  try other.loadWeights(tensors)
  #expect(other.weights.map(\.tensor.scalars) == model.weights.map(\.tensor.scalars))
  tensors["head.bias"] = Tensor(zeros: [12])
  #expect { try other.loadWeights(tensors) } throws: {
    "\($0)".contains("'head.bias' has shape [12]")
  }
  tensors["head.bias"] = nil
  #expect { try other.loadWeights(tensors) } throws: { "\($0)".contains("'head.bias' is missing") }
}
