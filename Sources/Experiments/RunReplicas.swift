public import NanoCommunication
internal import NanoData
internal import NanoModels
internal import NanoOptim
internal import NanoTensor
internal import NanoTraining

/// The other ranks' part in a run, as rank 0 has it: each has the same model and makes the same steps, of which it computes
/// its share. They write nothing and read no files: all that they need, the tokens too, comes from rank 0.
public final class RunReplicas {
  private let communicator: any Communicator

  /// Has the others take part in a run, whose state rank 0's trainer has to send next.
  init(of experiment: Experiment, _ communicator: any Communicator) {
    self.communicator = communicator
    send(.run(experiment))
  }

  deinit { send(.endRun) }

  /// Has the others make the step that rank 0's trainer makes next.
  func beginStep(on batch: TokenBatch, _ configuration: TrainerConfiguration) {
    guard communicator.rankCount > 1 else { return }
    send(.step(configuration))
    _ = communicator.broadcast([Int32(batch.sequenceLength)] + batch.inputs + batch.targets)
  }

  /// What `body` returns, while the others help to score a model.
  func evaluating<Result>(_ model: Decoder, _ body: () -> Result) -> Result {
    guard communicator.rankCount > 1 else { return body() }
    send(.evaluate)
    var model = model
    model.takeOverWeightsOfRankZero(communicator)
    defer { PartScorer.end(communicator) }
    return body()
  }

  /// What `body` returns, while the others send what it asks their trainers' optimizers for.
  func sendingOptimizerState<Result>(_ body: () throws -> Result) rethrows -> Result {
    guard communicator.rankCount > 1 else { return try body() }
    send(.sendOptimizerState)
    defer { communicator.endOptimizerStateRequests() }
    return try body()
  }

  private func send(_ task: RankTask) {
    if communicator.rankCount > 1 { communicator.broadcast(encoding: task) }
  }

  // MARK: The others' side

  /// Does what rank 0 says, on any other rank, until that ends.
  /// - Parameter makeRuns: makes runs of a study.
  public static func serve(_ communicator: any Communicator, makeRuns: () throws -> Void) throws {
    while true {
      switch communicator.receiveBroadcast(decoding: RankTask.self) {
      case .run(let experiment):
        let last = try takePart(in: experiment, communicator)
        if last == .end { return }
      case .makeRuns: try makeRuns()
      case .end: return
      case .step, .evaluate, .sendOptimizerState, .endRun: fatalError("RunReplicas: no run has begun")
      }
    }
  }

  /// - Returns: the task that is not of the run.
  private static func takePart(in experiment: Experiment, _ communicator: any Communicator) throws -> RankTask {
    var trainer = Trainer(
      try experiment.makeModel(), rule: experiment.makeOptimizer(),
      schedule: experiment.schedule.schedule(steps: experiment.iterations), configuration: experiment.trainer,
      communicator: communicator)
    trainer.distributeState()
    MemoryPool.shared.limit = experiment.memoryLimit ?? MemoryPool.shared.systemLimit
    defer {
      MemoryPool.shared.limit = nil
      MemoryPool.shared.trim()
    }
    while true {
      let task = communicator.receiveBroadcast(decoding: RankTask.self)
      if case .evaluate = task {
        var model = trainer.model
        model.takeOverWeightsOfRankZero(communicator)
        PartScorer.serve(model, pool: .shared, communicator)
        continue
      }
      if case .sendOptimizerState = task {
        trainer.serveOptimizerState()
        continue
      }
      guard case .step(let configuration) = task else { return task }
      let tokens = communicator.broadcast([Int32]())
      let inputs = 1..<1 + (tokens.count - 1) / 2
      trainer.configuration = configuration
      // Rank 0 meets the same error, and decides.
      _ = try? trainer.step(
        on: TokenBatch(
          inputs: Array(tokens[inputs]), targets: Array(tokens[inputs.upperBound...]), sequenceLength: Int(tokens[0])))
    }
  }
}
