internal import Foundation
internal import NanoAutograd
public import NanoCommunication
public import NanoData
internal import NanoLayers
public import NanoModels
public import NanoOptim
internal import NanoPreconditions
public import NanoTensor

/// Trains a model, one step at a time.
///
/// A step splits its batch into a fixed number of shards. Workers run forward and backward of each shard on
/// a tape of its own, gradients are added in shard order, and each parameter is updated by itself. What is
/// computed depends on the shard count and never on the number of threads, so the same seed gives the same
/// bits on any machine of one instruction set. Several ranks may share a step's shards and updates: each has a trainer with
/// the same model, gives it the same batches, and comes to the same bits as one rank alone.
public struct Trainer<Model: LanguageModel, Rule: Optimizer>: ~Copyable {
  /// The model as the last update left it.
  public internal(set) var model: Model
  /// Updates made so far.
  public internal(set) var stepCount = 0
  /// The factor on the loss, in half precision.
  public internal(set) var lossScale: LossScale?

  /// What updates the weights. Its settings may change from step to step, such as a momentum that warms up; what states
  /// it needs may not.
  public var rule: Rule {
    didSet { history = .none }
  }
  /// May change from step to step.
  public var schedule: any LearningRateSchedule
  /// May change from step to step.
  public var configuration: TrainerConfiguration
  private let pool: WorkerPool
  /// The ranks among which the shards of a step on the CPU are dealt, and the updates.
  let communicator: any Communicator
  let ids: [Parameter.ID]
  let descriptions: [ParameterDescription]
  /// Everything is rank 0's until ``distributeState()``.
  var ownership: ParameterOwnership {
    didSet { parts = ownership.parts(of: communicator.rank) }
  }
  /// What this rank updates: on one rank every parameter.
  private(set) var parts: [ParameterOwnership.Part] {
    didSet { updateOrder = Self.updateOrder(of: parts) }
  }
  /// One a part.
  var states: [Rule.State]
  /// Of steps on a GPU.
  var history = GPUStepHistory.none
  /// How often a step on a GPU has been recorded.
  package internal(set) var recordingCount = 0
  /// Copies of the weights in half precision, on a GPU, that updates keep equal to them.
  let roundedWeights = PackedWeights()
  /// Places of parts, those with the most work in their update first, so that no worker ends late.
  private var updateOrder: [Int]

  public init(
    _ model: consuming Model, rule: Rule, schedule: any LearningRateSchedule = ConstantSchedule(),
    configuration: TrainerConfiguration = TrainerConfiguration(), pool: WorkerPool = .shared,
    communicator: any Communicator = SingleRank()
  ) {
    let parameters = model.namedParameters.filter { $0.parameter.role != .state }
    checkPrecondition(
      Set(parameters.map(\.parameter.id)).count == parameters.count,
      "Trainer: a parameter is visited twice; give every layer parameters of its own")
    let descriptions = parameters.map { ParameterDescription($0.parameter, name: $0.name) }
    self.descriptions = descriptions
    ids = parameters.map(\.parameter.id)
    ownership = ParameterOwnership(of: descriptions, among: 1) { rule.updateWork(of: $0) }
    parts = ownership.parts(of: communicator.rank)
    states = parts.map { rule.makeState(for: $0.description) }
    updateOrder = Self.updateOrder(of: parts)
    self.model = model
    self.rule = rule
    self.schedule = schedule
    self.configuration = configuration
    self.pool = pool
    self.communicator = communicator
    lossScale = configuration.precision == .float16 ? LossScale() : nil
  }

  private static func updateOrder(of parts: [ParameterOwnership.Part]) -> [Int] {
    parts.indices.sorted {
      let (left, right) = (parts[$0].description.shape, parts[$1].description.shape)
      if left.isMatrix != right.isMatrix { return left.isMatrix }
      return (left.elementCount, $1) > (right.elementCount, $0)
    }
  }

  // MARK: State

  /// The optimizer's state of every parameter that this rank updates, by name; on one rank what
  /// ``restore(stepCount:lossScale:optimizer:)`` takes.
  public var optimizerSnapshot: [String: StateSnapshot] {
    Dictionary(
      uniqueKeysWithValues: zip(parts, states).map { ($0.description.name, rule.snapshot(of: $1)) })
  }

  /// Continues from a checkpoint: weights come with the model, the rest from here.
  /// - Throws: when a parameter's state is missing or has another size, or a state is left over; the trainer is then
  ///   unchanged.
  public mutating func restore(
    stepCount: Int, lossScale: LossScale?, optimizer snapshots: [String: StateSnapshot]
  ) throws(StateMismatch) {
    var restored: [Rule.State] = []
    for description in descriptions {
      guard let snapshot = snapshots[description.name] else {
        throw StateMismatch(parameter: description.name, reason: "missing")
      }
      restored.append(try rule.restoreState(for: description, from: snapshot))
      var known: Set<String> = []
      rule.forEachBuffer(of: restored[restored.count - 1]) { buffer, _ in known.insert(buffer) }
      if let buffer = snapshot.buffers.keys.filter({ !known.contains($0) }).min() {
        throw StateMismatch(parameter: description.name, reason: "an unknown buffer '\(buffer)'")
      }
    }
    if let name = Set(snapshots.keys).subtracting(descriptions.map(\.name)).min() {
      throw StateMismatch(parameter: name, reason: "belongs to no parameter of this model")
    }
    states = restored
    self.stepCount = stepCount
    self.lossScale = lossScale
  }

  // MARK: Step

  /// One update from one batch.
  /// - Throws: when the loss or a gradient is not finite, or memory is not enough; the model is then
  ///   unchanged.
  public mutating func step(on batch: TokenBatch) throws(TrainingError) -> StepReport {
    if let gpu = model.device.gpu { return try step(on: gpu, batch) }
    while true {
      let attempt = MemoryPool.shared.enforcingLimit { shardGradients(of: batch) }
      var shards = attempt.result
      let reports = try exchange(
        shards, missingMemory: attempt.needed.map { (needed: $0, limit: MemoryPool.shared.limit ?? $0) })
      let loss = reports.reduce(0) { $0 + $1.weightedLoss }
      guard loss.isFinite else { throw .notFinite(step: stepCount, tensor: "the loss") }
      var statistics = ForwardStatistics()
      for report in reports { statistics.merge(report.statistics) }

      let gradients = reduced(&shards, shardCount: reports.count)
      if let index = gradients.sumsOfSquares.firstIndex(where: { !$0.isFinite }) {
        // Too large a loss scale overflows half precision: the same batch again with half of it.
        if lossScale?.didOverflow() == true { continue }
        throw .notFinite(
          step: stepCount, tensor: "the gradient of \(descriptions[index].name)")
      }
      return finishStep(
        gradients.tensors, sumOfSquares: gradients.sumsOfSquares.reduce(0, +), loss: loss,
        statistics: statistics)
    }
  }

  /// Clips, updates, and lets the model do what it does by itself.
  private mutating func finishStep(
    _ gradients: [Tensor], sumOfSquares: Double, loss: Double, statistics: ForwardStatistics
  ) -> StepReport {
    let scale = lossScale?.value ?? 1
    let norm = GlobalNorm(sumOfSquares: sumOfSquares)
    let factors = StepFactors(
      learningRate: schedule.factor(at: stepCount),
      gradient: norm.factor(clippingTo: scale * (configuration.gradientClip ?? .infinity)) / scale)
    let watch = Stopwatch()
    update(with: gradients, factors: factors)
    let updateSeconds = watch.seconds
    if communicator.rankCount > 1 { exchangeValues() }
    lossScale?.didSucceed()
    model.finishStep(statistics, rules: configuration.rules)
    stepCount += 1
    return StepReport(
      loss: loss, gradientNorm: norm.value / scale, learningRateFactor: factors.learningRate,
      statistics: statistics, updateSeconds: updateSeconds)
  }

  // MARK: Gradients

  /// Every micro-batch in turn, this rank's shards of it in parallel; a shard adds up its gradients over micro-batches.
  private func shardGradients(of batch: TokenBatch) -> [ShardResult] {
    let microBatches = min(configuration.microBatchCount, batch.sequenceCount)
    // As many shards in every micro-batch: a shard adds up over all of them.
    let count = min(configuration.shardCount, batch.sequenceCount / microBatches)
    let mine = ShardRanges.shards(of: communicator.rank, among: communicator.rankCount, count: count)
    var results = [ShardResult](repeating: ShardResult(), count: mine.count)
    let worker = ShardWorker(
      model: model, ids: ids, configuration: configuration, lossScale: lossScale?.value ?? 1,
      generator: RandomGenerator(seed: configuration.dropoutSeed).split(UInt64(stepCount)),
      packedWeights: packedWeights(parts: mine.count * microBatches))
    for microBatch in 0..<microBatches {
      let sequences =
        microBatch * batch.sequenceCount / microBatches..<(microBatch + 1) * batch.sequenceCount
        / microBatches
      let shards = ShardRanges(of: sequences, count: count).ranges[mine]
      results.withUnsafeMutableBufferPointer { buffer in
        nonisolated(unsafe) let results = buffer
        pool.run(mine.count) { index in
          let result = worker.gradients(of: shards[mine.lowerBound + index], in: batch)
          // What was computed beyond the memory limit is incomplete.
          if !MemoryPool.shared.isOverLimit { results[index].add(result) }
        }
      }
      if MemoryPool.shared.isOverLimit { break }
    }
    return results
  }

  /// What the parts of a batch share; nothing where memory counts more than time.
  private func packedWeights(parts: Int) -> PackedWeights? {
    configuration.checkpointsActivations
      ? nil : PackedWeights(parts: parts, threads: pool.threadCount)
  }

  /// Adds the shards' gradients, in shard order.
  /// - Parameter shardCount: of all ranks together.
  /// - Returns: the sums of this rank's parts, and of every parameter's sum the sum of squares.
  private func reduced(
    _ shards: inout [ShardResult], shardCount: Int
  ) -> (tensors: [Tensor], sumsOfSquares: [Double]) {
    var sumsOfSquares = [Double](repeating: 0, count: ids.count)
    // One row a parameter: its gradient in every shard, each taken over so that sums form in place.
    var columns = ids.indices.map { index in
      shards.indices.map { shard in
        guard let gradient = shards[shard].gradients[index] else {
          fatalError("Trainer: \(descriptions[index].name) takes no part in the loss")
        }
        shards[shard].gradients[index] = nil
        return gradient
      }
    }
    if communicator.rankCount > 1 { return reducedOverRanks(&columns, shardCount: shardCount) }
    var tensors = Array(repeating: Tensor(zeros: [0]), count: ids.count)
    let updateOrder = updateOrder
    columns.withUnsafeMutableBufferPointer { columnBuffer in
      tensors.withUnsafeMutableBufferPointer { tensorBuffer in
        sumsOfSquares.withUnsafeMutableBufferPointer { sumBuffer in
          nonisolated(unsafe) let (columns, tensors, sums) = (columnBuffer, tensorBuffer, sumBuffer)
          pool.run(updateOrder.count) { position in
            let index = updateOrder[position]
            tensors[index] = Tensor.sum(taking: &columns[index])
            sums[index] = tensors[index].sumOfSquares
          }
        }
      }
    }
    return (tensors, sumsOfSquares)
  }

  // MARK: Update

  private mutating func update(with gradients: [Tensor], factors: StepFactors) {
    let (rule, parts, updateOrder, pool) = (rule, parts, updateOrder, pool)
    withParameterValues { values, states in
      values.withUnsafeMutableBufferPointer { valueBuffer in
        states.withUnsafeMutableBufferPointer { stateBuffer in
          nonisolated(unsafe) let (values, states) = (valueBuffer, stateBuffer)
          pool.run(updateOrder.count) { position in
            let index = updateOrder[position]
            let part = parts[index]
            gradients[index].withElements { gradient in
              values[part.parameter].withMutableElements(in: part.elements) { value in
                rule.update(&value, gradient: gradient, factors: factors, state: &states[index])
              }
            }
          }
        }
      }
    }
  }

  /// Calls `body` with the values of all parameters and the states of this rank's parts. The values leave the model
  /// meanwhile, so that each has one owner and changes in place.
  mutating func withParameterValues(_ body: (inout [Tensor], inout [Rule.State]) -> Void) {
    let placeholder = Tensor(zeros: [0])
    var values: [Tensor] = []
    values.reserveCapacity(ids.count)
    model.visitParameters(.root(wanted: false)) { _, parameter in
      guard parameter.role != .state else { return }
      values.append(parameter.value)
      parameter.value = placeholder
    }
    body(&values, &states)
    var iterator = values.makeIterator()
    model.visitParameters(.root(wanted: false)) { _, parameter in
      guard parameter.role != .state else { return }
      if let value = iterator.next() { parameter.value = value }
    }
  }
}
