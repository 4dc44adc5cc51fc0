import CommunicationTestSupport
import NanoAutograd
import NanoCommunication
import NanoLayers
import NanoModels
import NanoOptim
import NanoTensor
import NanoTestSupport
import Testing

@testable import NanoTraining

/// Everything that a few steps come to; the optimizer's state on rank 0 alone.
private struct Course: Hashable {
  var reports: [[Double]] = []
  var statistics: [ForwardStatistics] = []
  var weights: [Float] = []
  var states: [String: StateSnapshot]?

  /// Takes up what a trainer has come to; on every rank.
  mutating func end(_ trainer: borrowing Trainer<some LanguageModel, some Optimizer>) throws {
    weights = trainer.model.weights.flatMap(\.tensor.scalars)
    states = wholeState(of: trainer)
  }

  func isOfTheSameRun(as other: Course) -> Bool {
    reports == other.reports && statistics == other.statistics && weights == other.weights
      && (states == nil || states == other.states)
  }
}

/// All ranks' parts together on rank 0, nil on others.
private func wholeState(
  of trainer: borrowing Trainer<some LanguageModel, some Optimizer>
) -> [String: StateSnapshot]? {
  guard trainer.communicator.rank == 0 else {
    trainer.serveOptimizerState()
    return nil
  }
  var snapshots: [String: StateSnapshot] = [:]
  let stepCount = trainer.stepCount
  trainer.forEachOptimizerBuffer { parameter, buffer, elements in
    snapshots[parameter, default: StateSnapshot(stepCount: stepCount, buffers: [:])].buffers[buffer] =
      elements.withUnsafeBufferPointer { Array($0) }
  }
  trainer.communicator.endOptimizerStateRequests()
  return snapshots
}

/// One with averaged weights.
private func ruleOfManyBuffers(_ ofMatrices: some Optimizer = Muon.norMuon) -> AnyOptimizer {
  let rule = RoutedOptimizer(ofMatrices, where: \.shape.isMatrix, otherwise: AdamW(learningRate: 1e-2))
  return AnyOptimizer(WeightAveraging(rule, after: 1))
}

/// A course on each of some ranks.
private func courses(
  _ rankCount: Int, _ model: some LanguageModel, rule: AnyOptimizer = storiesRule(), shards: Int = 6,
  precision: Precision = .float32, microBatches: Int = 1
) throws -> [Course] {
  try ThreadRanks.run(rankCount) { communicator in
    var trainer = Trainer(
      model, rule: rule,
      configuration: TrainerConfiguration(
        shardCount: shards, microBatchCount: microBatches, precision: precision, gradientClip: 0.5),
      pool: WorkerPool(threadCount: 1), communicator: communicator)
    trainer.distributeState()
    var course = Course()
    for step in 0..<3 {
      let report = try trainer.step(on: batch(step, sequences: 14))
      course.reports.append([report.loss, Double(report.gradientNorm), Double(report.learningRateFactor)])
      course.statistics.append(report.statistics)
    }
    try course.end(trainer)
    return course
  }
}

@Test(arguments: [Precision.float32, .bfloat16])
func anyNumberOfRanksGivesTheSameBits(precision: Precision) throws {
  let kimi = try smallKimi()
  let alone = try courses(1, kimi, precision: precision)[0]
  // The last has more ranks than shards.
  for rankCount in [2, 3, 4, 6, 8] {
    #expect(
      try courses(rankCount, kimi, precision: precision).allSatisfy { $0.isOfTheSameRun(as: alone) },
      "\(rankCount) ranks")
  }
}

/// Experts' matrices are dealt apart, with what the rule keeps of each: of all in one buffer, or in buffers of its own.
@Test func ranksShareRulesOfManyBuffers() throws {
  let kimi = try smallKimi()
  for (rule, buffer) in [(ruleOfManyBuffers(), "moments"), (ruleOfManyBuffers(SOAP()), "leftBasis.1")] {
    let alone = try courses(1, kimi, rule: rule)[0]
    #expect(alone.states!.values.contains { $0.buffers[buffer] != nil && $0.buffers["average"] != nil })
    for rankCount in [3, 8] {
      #expect(
        try courses(rankCount, kimi, rule: rule).allSatisfy { $0.isOfTheSameRun(as: alone) },
        "\(buffer), \(rankCount) ranks")
    }
  }
}

@Test func ranksGiveTheSameBitsWithMicroBatches() throws {
  let gpt = try smallGPT()
  let alone = try courses(1, gpt, shards: 4, microBatches: 3)[0]
  #expect(try courses(3, gpt, shards: 4, microBatches: 3).allSatisfy { $0.isOfTheSameRun(as: alone) })
}

/// The two small shares are each lost beside the first one, and together are not.
@Test func ranksAddShardsFromLeftToRight() throws {
  let gpt = try smallGPT()
  let shares: [Float] = [1, 5e-8, 5e-8]
  let sum = shares[0] + shares[1] + shares[2]
  // The fourth has no shard.
  let found = try ThreadRanks.run(4) { communicator in
    var trainer = Trainer(gpt, rule: SGD(), pool: WorkerPool(threadCount: 1), communicator: communicator)
    trainer.ownership = ParameterOwnership(of: trainer.descriptions, among: 4, chunkLength: 100) {
      $0.shape.elementCount
    }
    var columns = gpt.weights.map { weight in
      shares.indices.contains(communicator.rank)
        ? [Tensor(repeating: shares[communicator.rank], shape: weight.tensor.shape)] : []
    }
    let (tensors, sumsOfSquares) = trainer.reducedOverRanks(&columns, shardCount: 3)
    return (tensors.flatMap(\.scalars), sumsOfSquares)
  }
  #expect(sum != shares[0] + (shares[1] + shares[2]))
  #expect(found.flatMap(\.0) == [Float](repeating: sum, count: gpt.parameterCount))
  let expected = gpt.weights.map { Tensor(repeating: sum, shape: $0.tensor.shape).sumOfSquares }
  #expect(found.allSatisfy { $0.1 == expected })
}

@Test func aLossThatIsNotFiniteIsTheSameErrorOnEveryRank() throws {
  var broken = try smallGPT()
  broken.visitParameters(.root(wanted: false)) { _, parameter in
    parameter.value.withMutableElements { $0[0] = .infinity }
  }
  let model = broken
  let errors = try ThreadRanks.run(3) { communicator in
    var trainer = Trainer(
      model, rule: storiesRule(), configuration: TrainerConfiguration(shardCount: 3),
      pool: WorkerPool(threadCount: 1), communicator: communicator)
    do {
      _ = try trainer.step(on: batch(0))
      return nil as TrainingError?
    } catch let error as TrainingError {
      return error
    }
  }
  #expect(errors.allSatisfy { $0 == .notFinite(step: 0, tensor: "the loss") })
}

/// Steps on three ranks, from where one left off, and on two from there on.
@Test func aRunGoesOnOnAnotherNumberOfRanks() throws {
  let kimi = try smallKimi()
  let fresh = try smallKimi { $0.layerCount = 2 }
  let configuration = TrainerConfiguration(shardCount: 4, gradientClip: 0.5)
  func goOn(
    _ rankCount: Int, from model: Decoder, _ states: [String: StateSnapshot]?, steps: Range<Int>
  ) throws -> [(model: Decoder, course: Course)] {
    try ThreadRanks.run(rankCount) { communicator in
      var trainer = Trainer(
        communicator.rank == 0 ? model : fresh, rule: ruleOfManyBuffers(), configuration: configuration,
        pool: WorkerPool(threadCount: 1), communicator: communicator)
      if communicator.rank == 0, let states {
        try trainer.restore(stepCount: steps.lowerBound, lossScale: nil, optimizer: states)
      }
      trainer.distributeState()
      for step in steps { _ = try trainer.step(on: batch(step)) }
      var course = Course(reports: [[Double(trainer.stepCount)]])
      try course.end(trainer)
      return (trainer.model, course)
    }
  }
  let alone = try goOn(1, from: kimi, nil, steps: 0..<6)[0].course
  var last = try goOn(1, from: kimi, nil, steps: 0..<2)
  last = try goOn(3, from: last[0].model, last[0].course.states, steps: 2..<4)
  last = try goOn(2, from: last[0].model, last[0].course.states, steps: 4..<6)
  #expect(last.allSatisfy { $0.course.isOfTheSameRun(as: alone) })
}

@Test func everyRankKeepsItsShareOfTheOptimizersState() throws {
  let kimi = try smallKimi()
  let counts = try ThreadRanks.run(4) { communicator in
    var trainer = Trainer(
      kimi, rule: SGD(momentum: 0.9), pool: WorkerPool(threadCount: 1), communicator: communicator)
    trainer.distributeState()
    return trainer.optimizerSnapshot.values.reduce(0) { $0 + $1.buffers.values.reduce(0) { $0 + $1.count } }
  }
  #expect(counts.reduce(0, +) == kimi.parameterCount)
  #expect(counts.allSatisfy { (kimi.parameterCount / 8...kimi.parameterCount / 2).contains($0) }, "\(counts)")
}

@Test func averagedWeightsAreGatheredOnRankZero() throws {
  let gpt = try smallGPT()
  func averages(_ rankCount: Int) throws -> [[Float]?] {
    try ThreadRanks.run(rankCount) { communicator in
      var trainer = Trainer(
        gpt, rule: ruleOfManyBuffers(), pool: WorkerPool(threadCount: 1), communicator: communicator)
      trainer.distributeState()
      for step in 0..<3 { _ = try trainer.step(on: batch(step)) }
      guard communicator.rank == 0 else {
        trainer.serveOptimizerState()
        return nil
      }
      defer { communicator.endOptimizerStateRequests() }
      return trainer.averagedModel?.weights.flatMap(\.tensor.scalars)
    }
  }
  let alone = try averages(1)[0]
  #expect(try alone != nil && averages(3)[0] == alone)
}

/// A checkpoint that cannot be written, on a full disk say, leaves ranks that go on together.
@Test func anErrorWhileStatesAreGatheredLosesNoMessage() throws {
  struct DiskIsFull: Error {}
  let gpt = try smallGPT()
  let found = try ThreadRanks.run(3) { communicator in
    var trainer = Trainer(gpt, rule: storiesRule(), pool: WorkerPool(threadCount: 1), communicator: communicator)
    trainer.distributeState()
    if communicator.rank == 0 {
      #expect(throws: DiskIsFull.self) { try trainer.forEachOptimizerBuffer { _, _, _ in throw DiskIsFull() } }
    }
    _ = wholeState(of: trainer)
    return communicator.allGather([Double(communicator.rank)])
  }
  #expect(found.allSatisfy { $0 == [[0], [1], [2]] })
}

/// At most once to add it up, and at most once its value.
@Test func aRankSendsAtMostTwiceTheParametersSize() throws {
  let kimi = try smallKimi()
  for rankCount in [2, 3, 6, 8] {
    let sent = try ThreadRanks.run(rankCount) { communicator in
      var trainer = Trainer(
        kimi, rule: storiesRule(), configuration: TrainerConfiguration(shardCount: 6),
        pool: WorkerPool(threadCount: 1), communicator: communicator)
      trainer.distributeState()
      let before = communicator.sentByteCount
      _ = try trainer.step(on: batch(0))
      return communicator.sentByteCount - before
    }
    // A few numbers of each shard and parameter come on top.
    #expect(sent.allSatisfy { $0 <= 8 * kimi.parameterCount + 20_000 }, "\(sent) of \(4 * kimi.parameterCount)")
  }
}

/// Shards of a step are dealt evenly, each to one rank.
@Test func shardsAreDealtToRanks() {
  for (count, ranks) in [(6, 4), (6, 6), (2, 3), (7, 2), (1, 1)] {
    let shares = (0..<ranks).map { ShardRanges.shards(of: $0, among: ranks, count: count) }
    #expect(shares.flatMap { Array($0) } == Array(0..<count))
    #expect(shares.map(\.count).max()! - shares.map(\.count).min()! <= 1)
  }
}
