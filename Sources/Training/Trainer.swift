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
/// a tape of its own, or, of a large model, the shards one after another with all threads in each operation. Gradients
/// are added in shard order as they come, and each parameter is updated by itself. What is
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
  private let places: [Parameter.ID: Int]
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

  /// A trainer that has made no update; in half precision its loss scale begins at 65,536.
  /// - Precondition: the model visits no parameter twice.
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
    places = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
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

  private var parameterCount: Int { descriptions.reduce(0) { $0 + $1.shape.elementCount } }

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
      var (shards, sum) = attempt.result
      let reports = try exchange(
        shards, missingMemory: attempt.needed.map { (needed: $0, limit: MemoryPool.shared.limit ?? $0) })
      let loss = reports.reduce(0) { $0 + $1.weightedLoss }
      guard loss.isFinite else { throw .notFinite(step: stepCount, tensor: "the loss") }
      var statistics = ForwardStatistics()
      for report in reports { statistics.merge(report.statistics) }

      let gradients = reduced(&shards, sum, shardCount: reports.count)
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

  /// This rank's shards in parallel, or one after another, each the micro-batches in turn.
  /// - Returns: what the shards gathered, and the sum of their gradients; on several ranks each shard has its own.
  private func shardGradients(of batch: TokenBatch) -> (shards: [ShardResult], sum: GradientSum) {
    let microBatches = min(configuration.microBatchCount, batch.sequenceCount)
    // As many shards in every micro-batch: a shard adds up over all of them.
    let count = min(configuration.shardCount, batch.sequenceCount / microBatches)
    let mine = ShardRanges.shards(of: communicator.rank, among: communicator.rankCount, count: count)
    var results = [ShardResult](repeating: ShardResult(parameterCount: ids.count), count: mine.count)
    let worker = ShardWorker(
      model: model, places: places, configuration: configuration, lossScale: lossScale?.value ?? 1,
      generator: RandomGenerator(seed: configuration.dropoutSeed).split(UInt64(stepCount)),
      packedWeights: packedWeights(parts: mine.count * microBatches))
    let parts = (0..<microBatches).map { microBatch in
      func border(_ microBatch: Int) -> Int { microBatch * batch.sequenceCount / microBatches }
      return ShardRanges(of: border(microBatch)..<border(microBatch + 1), count: count).ranges[mine]
    }
    let sum = GradientSum(parameterCount: ids.count)
    let isOnlyRank = communicator.rankCount == 1
    results.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let results = buffer
      forEachShard(mine.count, of: count) { shard in
        var result = results[shard]
        // What is computed beyond the memory limit is incomplete, and the whole step is given up.
        for part in parts where !MemoryPool.shared.isOverLimit {
          let work = worker.work(on: part[mine.lowerBound + shard], in: batch) { parameter, gradient in
            if isOnlyRank, parts.count == 1 {
              sum.add(gradient, of: parameter, inShard: shard)
            } else {
              result.add(gradient, of: parameter)
            }
          }
          // Blocks that were skipped have reported nothing.
          guard !MemoryPool.shared.isOverLimit else { break }
          result.weightedLoss += work.weightedLoss
          result.statistics.merge(work.statistics)
        }
        for parameter in result.gradients.indices where isOnlyRank {
          guard let gradient = result.gradients[parameter].take() else { continue }
          sum.add(gradient, of: parameter, inShard: shard)
        }
        results[shard] = result
      }
    }
    return (results, sum)
  }

  /// Runs `body` for this rank's shards of so many: in parallel, or one after another with all threads in each operation.
  private func forEachShard(_ ownCount: Int, of count: Int, _ body: @Sendable (Int) -> Void) {
    guard WorkSharing(parameterCount: parameterCount, shardCount: count) == .operations else {
      return pool.run(ownCount, body)
    }
    pool.sharingOperations {
      for shard in 0..<ownCount { body(shard) }
    }
  }

  /// What the parts of a batch share; nothing where memory counts more than time.
  private func packedWeights(parts: Int) -> PackedWeights? {
    configuration.checkpointsActivations
      ? nil : PackedWeights(parts: parts, threads: pool.threadCount)
  }

  /// Adds the shards' gradients over all ranks, in shard order.
  /// - Parameters:
  ///   - sum: on one rank, what they add up to.
  ///   - shardCount: of all ranks together.
  /// - Returns: the sums of this rank's parts, and of every parameter's sum the sum of squares.
  private func reduced(
    _ shards: inout [ShardResult], _ sum: GradientSum, shardCount: Int
  ) -> (tensors: [Tensor], sumsOfSquares: [Double]) {
    func gradient(_ gradient: Tensor?, of index: Int) -> Tensor {
      guard let gradient else { fatalError("Trainer: \(descriptions[index].name) takes no part in the loss") }
      return gradient
    }
    if communicator.rankCount > 1 {
      // One row a parameter: its gradient in every shard, each taken over so that sums form in place.
      var columns = ids.indices.map { index in
        shards.indices.map { gradient(shards[$0].gradients[index].take(), of: index) }
      }
      return reducedOverRanks(&columns, shardCount: shardCount)
    }
    let tensors = ids.indices.map { gradient(sum.take($0, shards: shardCount), of: $0) }
    var sumsOfSquares = [Double](repeating: 0, count: ids.count)
    let updateOrder = updateOrder
    sumsOfSquares.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums
      pool.run(updateOrder.count) { sums[updateOrder[$0]] = tensors[updateOrder[$0]].sumOfSquares }
    }
    return (tensors, sumsOfSquares)
  }

  // MARK: Update

  /// In which order this rank's parts are gone through, and by whom.
  private var updates: PartUpdates {
    let total = parameterCount
    let isLarge = updateOrder.map {
      let count = parts[$0].elements.count
      return count > 1 << 22 && count > total / 8
    }
    return PartUpdates(
      large: zip(updateOrder, isLarge).filter(\.1).map(\.0),
      others: zip(updateOrder, isLarge).filter { !$0.1 }.map(\.0),
      pool: pool)
  }

  private mutating func update(with gradients: [Tensor], factors: StepFactors) {
    let (rule, parts, updates) = (rule, parts, updates)
    withParameterValues { values, states in
      values.withUnsafeMutableBufferPointer { valueBuffer in
        states.withUnsafeMutableBufferPointer { stateBuffer in
          nonisolated(unsafe) let (values, states) = (valueBuffer, stateBuffer)
          updates.forEach { index in
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

/// Parts of parameters in the order in which they are updated.
private struct PartUpdates: Sendable {
  /// Those that alone would keep a thread busy longer than all others.
  let large: [Int]
  let others: [Int]
  let pool: WorkerPool

  /// Runs `body` for all: for the large ones one after another with all threads in each operation, then for the others in
  /// parallel.
  func forEach(_ body: @Sendable (_ part: Int) -> Void) {
    pool.sharingOperations { large.forEach(body) }
    pool.run(others.count) { body(others[$0]) }
  }
}
