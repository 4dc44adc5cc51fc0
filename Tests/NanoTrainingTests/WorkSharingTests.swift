import NanoData
import NanoModels
import NanoTensor
import TensorTestSupport
import Testing

@testable import NanoTraining

/// So large that threads share its products, norms, activations, attention and sums.
private func wideGPT() throws -> Decoder {
  var generator = RandomGenerator(seed: 3)
  return try Decoder(
    .nanoGPT2(vocabularySize: 600, contextLength: 64, width: 256, layerCount: 2, headCount: 4), using: &generator)
}

private func wideKimi() throws -> Decoder {
  var configuration = DecoderConfiguration.nanoKimiK2(size: .tiny, vocabularySize: 600, contextLength: 128)
  (configuration.layerCount, configuration.width) = (2, 256)
  var generator = RandomGenerator(seed: 4)
  return try Decoder(configuration, using: &generator)
}

private func batch(_ model: Decoder) -> TokenBatch {
  var generator = RandomGenerator(seed: 5)
  let length = model.configuration.contextLength
  func tokens() -> [Int32] { (0..<8 * length).map { _ in Int32(generator.nextInt(below: 600)) } }
  return TokenBatch(inputs: tokens(), targets: tokens(), sequenceLength: length)
}

private func weights(
  _ model: Decoder, threads: Int, shards: Int = 1, microBatches: Int = 1, precision: Precision = .float32
) throws -> [Float] {
  var trainer = Trainer(
    model, rule: storiesRule(precision: precision),
    configuration: TrainerConfiguration(
      shardCount: shards, microBatchCount: microBatches, precision: precision, gradientClip: 1),
    pool: WorkerPool(threadCount: threads))
  for _ in 0..<2 { _ = try trainer.step(on: batch(model)) }
  return trainer.model.weights.flatMap(\.tensor.scalars)
}

@Test(arguments: [Precision.float32, .bfloat16])
func sharedOperationsHaveTheSameBitsOnAnyNumberOfThreads(precision: Precision) throws {
  for model in [try wideGPT(), try wideKimi()] {
    let one = try weights(model, threads: 1, precision: precision)
    #expect(try weights(model, threads: 2, precision: precision) == one)
    #expect(try weights(model, threads: 3, precision: precision) == one)
  }
}

@Test func sharedOperationsTrainAsShardsInParallelDo() throws {
  for model in [try wideGPT(), try wideKimi()] {
    let whole = try weights(model, threads: 2)
    #expect(relativeDifference(whole, try weights(model, threads: 2, shards: 4)) < 1e-3)
    #expect(relativeDifference(whole, try weights(model, threads: 2, microBatches: 2)) < 1e-3)
  }
}

@Test func largeModelsHaveFewShards() {
  #expect(WorkSharing.shardCount(parameterCount: 10_000_000, tokenCount: 4_096, usual: 6) == 6)
  #expect(WorkSharing.shardCount(parameterCount: 124_000_000, tokenCount: 256, usual: 6) == 1)
  #expect(WorkSharing.shardCount(parameterCount: 124_000_000, tokenCount: 4_097, usual: 6) == 3)
  #expect(WorkSharing(parameterCount: 10_000_000, shardCount: 6) == .batch)
  #expect(WorkSharing(parameterCount: 10_000_000, shardCount: 1) == .operations)
  #expect(WorkSharing(parameterCount: 124_000_000, shardCount: 6) == .operations)
}

@Test func gradientsAreAddedInShardOrder() {
  // Numbers whose sum depends on its order.
  let gradients = [1e8, 1, -1e8, 0.25].map { Tensor([Float($0)], shape: [1]) }
  let inOrder = gradients.dropFirst().reduce(gradients[0]) { $0 + $1 }.scalars
  for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
    let sum = GradientSum(parameterCount: 2)
    for shard in order { sum.add(gradients[shard], of: 1, inShard: shard) }
    #expect(sum.take(1, shards: 4)?.scalars == inOrder)
    #expect(sum.take(0, shards: 4) == nil)
  }
}
