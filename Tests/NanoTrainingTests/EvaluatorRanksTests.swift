import CommunicationTestSupport
import NanoCommunication
import NanoData
import NanoModels
import NanoTensor
import Testing

@testable import NanoTraining

/// What rank 0 of some ranks finds, where only that has the text; the last has nothing to do where parts are few.
private func finding<Result: Sendable>(
  ranks: Int, _ model: Decoder, _ evaluate: @escaping @Sendable (any Communicator) -> Result
) throws -> Result {
  let found = try ThreadRanks.run(ranks) { communicator in
    guard communicator.rank == 0 else {
      PartScorer.serve(model, pool: WorkerPool(threadCount: 1), communicator)
      return nil as Result?
    }
    defer { PartScorer.end(communicator) }
    return evaluate(communicator)
  }
  return found[0]!
}

/// A thousand windows and one that is cut short, so some groups of windows for each rank.
@Test func ranksScoreWindowsAsOneDoes() throws {
  let kimi = try smallKimi()
  let tokens = (0..<4_001).map { (i: Int) -> Int32 in Int32((i * 7 + i * i * 3) % 50) }
  let text = TokenizedText(tokens[...], byteCount: tokens.count, before: 0)
  let evaluation: @Sendable (any Communicator) -> Evaluation = { communicator in
    FullPassEvaluator(text, windowLength: 16, pool: WorkerPool(threadCount: 1), communicator: communicator)
      .evaluate(kimi)
  }
  let alone = try finding(ranks: 1, kimi, evaluation)
  #expect(alone.maximalViolation != nil && alone.tokens == 4_001)
  for ranks in [2, 3, 5] { #expect(try finding(ranks: ranks, kimi, evaluation) == alone) }
}

@Test func ranksScoreRandomBatchesAsOneDoes() throws {
  let kimi = try smallKimi()
  let tokens = (0..<500).map { (i: Int) -> Int32 in Int32(i * i % 26) }
  let corpus = textCorpus(String(tokens.map { Character(Unicode.Scalar(UInt8($0 + 97))) }), tokens)
  let evaluation: @Sendable (any Communicator) -> Double = { communicator in
    RandomWindowEvaluator(
      corpus: corpus, batchCount: 5, sequenceCount: 20, sequenceLength: 16, generator: RandomGenerator(seed: 1),
      pool: WorkerPool(threadCount: 1), communicator: communicator
    ).meanLoss(of: kimi, on: .training, step: 3)
  }
  let alone = try finding(ranks: 1, kimi, evaluation)
  for ranks in [2, 3, 7] { #expect(try finding(ranks: ranks, kimi, evaluation) == alone) }
}
