internal import NanoAutograd
internal import NanoData
internal import NanoLayers
internal import NanoModels
internal import NanoTensor

/// Forward and backward of one part of a batch, on the thread that calls it.
struct ShardWorker<Model: LanguageModel>: Sendable {
  let model: Model
  /// The places of the parameters whose gradients are wanted.
  let places: [Parameter.ID: Int]
  let configuration: TrainerConfiguration
  /// Multiplies the loss, and so the gradients.
  let lossScale: Float
  /// What the step's dropout masks come from.
  let generator: RandomGenerator
  /// What all parts of the batch share; nil for nothing.
  let packedWeights: PackedWeights?

  /// The share of some of the sequences in the batch's loss, and what was observed on the way.
  /// - Parameter receive: is given their share in every parameter's gradient, times the loss scale, as soon as it is
  ///   complete, with the parameter's place.
  func work(
    on sequences: Range<Int>, in batch: TokenBatch,
    receive: (_ parameter: Int, _ gradient: consuming Tensor) -> Void
  ) -> (weightedLoss: Double, statistics: ForwardStatistics) {
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
    tape.forEachGradient(of: loss, seed: weight * lossScale) { id, gradient in
      if let place = places[id] { receive(place, gradient) }
    }
    return (value, recorder.statistics)
  }
}

/// What a shard has gathered over the micro-batches of a step.
struct ShardResult: Sendable {
  var weightedLoss = 0.0
  var statistics = ForwardStatistics()
  /// In the order of the parameters; of those that are not added to the others' at once.
  var gradients: [Tensor?]

  init(parameterCount: Int) { gradients = Array(repeating: nil, count: parameterCount) }

  /// Adds what another micro-batch gave.
  mutating func add(_ gradient: consuming Tensor, of parameter: Int) {
    guard var sum = gradients[parameter].take() else {
      gradients[parameter] = gradient
      return
    }
    sum += gradient
    gradients[parameter] = sum
  }
}
