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

/// Everything that a few steps come to.
private struct Course: Hashable {
  var reports: [[Double]] = []
  var statistics: [ForwardStatistics] = []
  var weights: [Float] = []
  var states: [String: StateSnapshot] = [:]
}

/// A course on each of some ranks.
private func courses(
  _ rankCount: Int, _ model: some LanguageModel, shards: Int = 6, precision: Precision = .float32, microBatches: Int = 1
) throws -> [Course] {
  try ThreadRanks.run(rankCount) { communicator in
    var trainer = Trainer(
      model, rule: storiesRule(),
      configuration: TrainerConfiguration(
        shardCount: shards, microBatchCount: microBatches, precision: precision, gradientClip: 0.5),
      pool: WorkerPool(threadCount: 1), communicator: communicator)
    var course = Course()
    for step in 0..<3 {
      let report = try trainer.step(on: batch(step, sequences: 14))
      course.reports.append([report.loss, Double(report.gradientNorm), Double(report.learningRateFactor)])
      course.statistics.append(report.statistics)
    }
    course.weights = trainer.model.weights.flatMap(\.tensor.scalars)
    course.states = trainer.optimizerSnapshot
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
      try courses(rankCount, kimi, precision: precision).allSatisfy { $0 == alone }, "\(rankCount) ranks")
  }
}

@Test func ranksGiveTheSameBitsWithMicroBatches() throws {
  let gpt = try smallGPT()
  let alone = try courses(1, gpt, shards: 4, microBatches: 3)[0]
  #expect(try courses(3, gpt, shards: 4, microBatches: 3).allSatisfy { $0 == alone })
}

/// The two small shares are each lost beside the first one, and together are not.
@Test func ranksAddShardsFromLeftToRight() throws {
  let gpt = try smallGPT()
  let shares: [Float] = [1, 5e-8, 5e-8]
  let sums = try ThreadRanks.run(3) { communicator in
    let trainer = Trainer(gpt, rule: SGD(), pool: WorkerPool(threadCount: 1), communicator: communicator)
    let share = shares[communicator.rank]
    var columns = gpt.weights.map { weight in
      [Tensor([Float](repeating: share, count: weight.tensor.elementCount), shape: weight.tensor.shape)]
    }
    trainer.addOverRanks(&columns)
    return columns.map { $0[0].scalars[0] }
  }
  #expect(shares[0] + shares[1] + shares[2] != shares[0] + (shares[1] + shares[2]))
  #expect(sums.allSatisfy { $0.allSatisfy { $0 == shares[0] + shares[1] + shares[2] } })
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

@Test func othersTakeOverTheStateOfRankZero() throws {
  let (trained, fresh) = (try smallKimi(), try smallKimi { _ in })
  let states = try ThreadRanks.run(3) { communicator in
    var trainer = Trainer(
      communicator.rank == 0 ? trained : fresh, rule: storiesRule(),
      configuration: TrainerConfiguration(shardCount: 2), pool: WorkerPool(threadCount: 1))
    if communicator.rank == 0 { for step in 0..<2 { _ = try trainer.step(on: batch(step)) } }
    var shared = Trainer(
      trainer.model, rule: storiesRule(), configuration: TrainerConfiguration(shardCount: 2),
      pool: WorkerPool(threadCount: 1), communicator: communicator)
    if communicator.rank == 0 {
      try shared.restore(stepCount: 2, lossScale: nil, optimizer: trainer.optimizerSnapshot)
    }
    shared.takeOverStateOfRankZero()
    return Course(
      reports: [[Double(shared.stepCount)]], weights: shared.model.weights.flatMap(\.tensor.scalars),
      states: shared.optimizerSnapshot)
  }
  #expect(states[0].reports == [[2]] && states[1] == states[0] && states[2] == states[0])
}

@Test func aRankSendsNoGradientMoreThanTwice() throws {
  let gpt = try smallGPT()
  for rankCount in [2, 3, 6] {
    let sent = try ThreadRanks.run(rankCount) { communicator in
      var trainer = Trainer(
        gpt, rule: storiesRule(), configuration: TrainerConfiguration(shardCount: 6),
        pool: WorkerPool(threadCount: 1), communicator: communicator)
      _ = try trainer.step(on: batch(0))
      return communicator.sentByteCount
    }
    // A few numbers of each shard come on top.
    #expect(sent.allSatisfy { $0 <= 8 * gpt.parameterCount + 4_000 })
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
