import NanoAutograd
import NanoData
import NanoLayers
import NanoModels
import NanoOptim
import NanoTensor
import TensorTestSupport
import Testing

@testable import NanoTraining

@Test func lossScalingRecoversFromAPlantedOverflow() throws {
  // A last gain so large that gradients times the first scale pass 65,504.
  var model = try smallGPT()
  model.finalNorm = .layerNorm(LayerNorm(gain: Tensor(repeating: 1_000, shape: [24]), bias: Tensor(zeros: [24])))
  func step(_ precision: Precision) throws -> (weights: [Float], scale: Float?) {
    var trainer = Trainer(
      model, rule: SGD(learningRate: 1e-3),
      configuration: TrainerConfiguration(shardCount: 2, precision: precision))
    let first = trainer.lossScale?.value
    #expect(first == (precision == .float16 ? 65_536 : nil))
    _ = try trainer.step(on: batch(0))
    return (trainer.model.weights.flatMap(\.tensor.scalars), trainer.lossScale?.value)
  }
  let exact = try step(.float32)
  let scaled = try step(.float16)
  #expect(try #require(scaled.scale) < 65_536)
  let before = model.weights.flatMap(\.tensor.scalars)
  let (exactStep, scaledStep) = (
    zip(exact.weights, before).map { $0 - $1 }, zip(scaled.weights, before).map { $0 - $1 }
  )
  #expect(relativeDifference(scaledStep, exactStep) < 0.02)
}

@Test func anInfiniteLossStillStops() throws {
  var model = try smallGPT()
  model.finalNorm = .layerNorm(
    LayerNorm(gain: Tensor(repeating: 1, shape: [24]), bias: Tensor(repeating: .infinity, shape: [24])))
  var trainer = Trainer(
    model, rule: SGD(learningRate: 1e-3),
    configuration: TrainerConfiguration(shardCount: 2, precision: .float16))
  #expect(throws: TrainingError.notFinite(step: 0, tensor: "the loss")) {
    try trainer.step(on: batch(0))
  }
}
