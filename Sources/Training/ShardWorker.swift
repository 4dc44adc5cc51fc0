internal import NanoAutograd
internal import NanoData
internal import NanoLayers
internal import NanoModels
internal import NanoTensor

/// Forward and backward of one part of a batch, on the thread that calls it.
struct ShardWorker<Model: LanguageModel>: Sendable {
  let model: Model
  /// The parameters whose gradients are wanted.
  let ids: [Parameter.ID]
  let configuration: TrainerConfiguration
  /// Multiplies the loss, and so the gradients.
  let lossScale: Float
  /// What the step's dropout masks come from.
  let generator: RandomGenerator
  /// What all parts of the batch share; nil for nothing.
  let packedWeights: PackedWeights?

  /// The share of some of the sequences in the batch's loss, and in its gradients times the loss scale.
  func gradients(of sequences: Range<Int>, in batch: TokenBatch) -> ShardResult {
    let part = batch[sequences]
    let weight = Float(sequences.count) / Float(batch.sequenceCount)
    let tape = Tape(precision: configuration.precision, packedWeights: packedWeights)
    let recorder = StatisticsRecorder()
    let context = ForwardContext(
      tape: tape, sequenceLength: part.sequenceLength, recorder: recorder,
      checkpointsBlocks: configuration.checkpointsActivations,
      dropout: configuration.dropout > 0
        ? Dropout(
          rate: configuration.dropout, generator: generator, firstSequence: sequences.lowerBound)
        : nil)
    let loss = model.loss(inputs: part.inputs, targets: part.targets, in: context)
    let value = Double(loss.value.scalar) * Double(weight)
    let gradients = tape.gradients(of: loss, seed: weight * lossScale)
    return ShardResult(
      weightedLoss: value, gradients: ids.map { gradients[$0] }, statistics: recorder.statistics)
  }
}

/// What a shard has gathered over the micro-batches of a step.
struct ShardResult: Sendable {
  var weightedLoss = 0.0
  /// In the order of the parameters.
  var gradients: [Tensor?] = []
  var statistics = ForwardStatistics()

  /// Adds what another micro-batch gave.
  mutating func add(_ other: consuming ShardResult) {
    guard !gradients.isEmpty else {
      self = other
      return
    }
    weightedLoss += other.weightedLoss
    statistics.merge(other.statistics)
    for index in gradients.indices {
      guard let gradient = other.gradients[index] else { continue }
      guard var sum = gradients[index] else {
        gradients[index] = gradient
        continue
      }
      gradients[index] = nil  // so that `sum` is the only owner and adds in place
      sum += gradient
      gradients[index] = sum
    }
  }
}
