public import Foundation
public import NanoCommunication
public import NanoData
internal import NanoModels
internal import NanoOptim
public import NanoTensor
public import NanoTraining

/// What someone who watches a run is told.
public protocol RunObserver {
  /// Before the first step, which rule updates what.
  mutating func didBegin(_ routing: RoutingTable)
  /// After every update.
  mutating func didStep(_ step: Int, of total: Int, loss: Double, tokensPerSecond: Double)
  /// After every update that is recorded.
  mutating func didRecord(_ record: StepRecord) throws
  /// After every evaluation.
  mutating func didEvaluate(_ point: EvaluationPoint, of total: Int) throws
  /// Before the first step and after every evaluation, what the run has come to so far.
  mutating func didProgress(_ result: RunResult) throws
  /// When samples were written.
  mutating func didSample(_ samples: [Sample])
  /// When something happened that a person should know.
  mutating func didNotice(_ message: String)
  /// When the run has ended.
  mutating func didEnd()
}

extension RunObserver {
  public mutating func didProgress(_ result: RunResult) {}
}

/// An experiment that is carried out: train, evaluate, log, save, and go on after any interruption.
///
/// Everything is in `folder`: `experiment.json` and `routing.json`, the best model so far (`config.json`,
/// `model.safetensors` and its tokenizer), in `last` that of the last step, `metrics.csv`, `metrics.jsonl`, `samples.json`, `checkpoints`, and at the end
/// `result.json`.
public struct Run: Sendable {
  /// What is carried out.
  public internal(set) var experiment: Experiment
  /// Of its arm.
  public let name: String
  /// For people.
  public let title: String
  /// The text that the model is trained and validated on.
  public let corpus: Corpus
  /// The path of the folder that everything is written to.
  public let folder: String
  /// Where the model is trained and evaluated.
  public var device = Device.cpu
  /// The ranks that share each step, of which this is the first. The others are in ``RunReplicas/serve(_:makeRuns:)``.
  public var communicator: any Communicator = SingleRank()
  /// Whether other runs are at work on the device, so that seconds say little of the model.
  public var sharesDevice = false
  let pool: WorkerPool

  /// A run, of which nothing is read or written yet; for people it has its arm's name where no title is given.
  public init(
    _ experiment: Experiment, name: String, title: String? = nil, corpus: Corpus, folder: String,
    pool: WorkerPool = .shared
  ) {
    self.experiment = experiment
    self.name = name
    self.title = title ?? name
    self.corpus = corpus
    self.folder = folder
    self.pool = pool
  }

  /// How a run ended.
  public struct Outcome: Sendable {
    /// What the run has come to, at its end or where it was stopped.
    public let result: RunResult
    /// Whether it was asked to stop before its end.
    public let wasInterrupted: Bool
    /// Why training failed, if it did.
    public let failure: TrainingError?
  }

  static let resultName = "result.json"
  var checkpoints: CheckpointFolder { CheckpointFolder(folder + "/checkpoints") }

  /// The training batch of a step: a function of seed and step alone.
  public func trainingBatch(_ step: Int) -> TokenBatch {
    let (batches, count) = (experiment.generator(of: .batches), experiment.batchSize)
    switch experiment.sampling {
    case .random:
      var generator = batches.split(UInt64(step))
      return corpus.training.batch(
        sequenceCount: count, sequenceLength: experiment.sequenceLength, using: &generator)
    case .epochs:
      return corpus.training.batch(
        step: step, sequenceCount: count, sequenceLength: experiment.sequenceLength,
        generatorOfEpoch: { batches.split(UInt64($0)) })
    }
  }

  /// What the run has reached, if that was its end.
  /// - Throws: when the file is damaged.
  public var finishedResult: RunResult? {
    get throws {
      guard let data = FileManager.default.contents(atPath: "\(folder)/\(Self.resultName)") else { return nil }
      do {
        let result = try JSONDecoder.readable.decode(RunResult.self, from: data)
        return result.completedIterations == experiment.iterations ? result : nil
      } catch {
        throw ExperimentError(
          "\(folder)/\(Self.resultName): the file is damaged; delete it to go on from the run's last checkpoint")
      }
    }
  }

  /// Trains from the last checkpoint, or from given or fresh weights when there is none.
  /// - Parameter shouldStop: asked after every step; true ends the run after a checkpoint.
  /// - Throws: for a damaged or foreign checkpoint, files that cannot be written, and what the observer and `shouldStop`
  ///   throw.
  public func train(observer: inout some RunObserver, shouldStop: () throws -> Bool) throws -> Outcome {
    try corpus.requireWindows(of: experiment.sequenceLength)
    guard corpus.tokenizer.vocabularySize <= experiment.model.vocabularySize else {
      throw ExperimentError(
        "the text has \(corpus.tokenizer.vocabularySize) different tokens, the model knows "
          + "\(experiment.model.vocabularySize)")
    }
    return try train(try makeModel(), observer: &observer, shouldStop: shouldStop)
  }

  /// What a new run begins with.
  private func makeModel() throws -> Decoder {
    var model = try experiment.makeModel()
    if checkpoints.steps.isEmpty, let weights = experiment.initialWeights {
      let loaded = try weights.load()
      try ExperimentError.naming(weights.path) { try model.loadWeights(loaded) }
    }
    return model
  }

  private func train(
    _ fresh: consuming Decoder, observer: inout some RunObserver, shouldStop: () throws -> Bool
  ) throws -> Outcome {
    try OutputFolder.make(folder)
    let routing = RoutingTable(of: copy fresh, experiment.optimizer)
    try AtomicFile.write(JSONEncoder.readable.encode(experiment), to: folder + "/experiment.json")
    try AtomicFile.write(JSONEncoder.readable.encode(routing), to: folder + "/routing.json")
    observer.didBegin(routing)
    var loop = try RunLoop(self, fresh: fresh)
    // Only now: what weights and optimizer hold is no longer there for steps.
    MemoryPool.shared.limit = experiment.memoryLimit ?? MemoryPool.shared.systemLimit
    device.memoryLimit = experiment.memoryLimit
    defer {
      MemoryPool.shared.limit = nil
      device.memoryLimit = nil
    }
    var (wasInterrupted, failure) = (false, nil as TrainingError?)
    try observer.didProgress(loop.resultSoFar)
    do {
      while true {
        try loop.evaluateIfDue(&observer)
        try loop.sampleIfDue(&observer)
        if loop.isAtEnd {
          // With the end's evaluation, for a run that is made longer.
          try loop.saveCheckpointIfDue(now: true)
          try loop.saveLastModel()
          break
        }
        try loop.step(&observer)
        wasInterrupted = try shouldStop()
        try loop.saveCheckpointIfDue(now: wasInterrupted)
        if wasInterrupted { break }
      }
    } catch let error as TrainingError {
      failure = error
    }
    let result = try loop.finish(&observer)
    if failure == nil && !wasInterrupted {
      try AtomicFile.write(JSONEncoder.readable.encode(result), to: "\(folder)/\(Self.resultName)")
    }
    return Outcome(result: result, wasInterrupted: wasInterrupted, failure: failure)
  }
}

extension JSONDecoder {
  /// Reads what `JSONEncoder.readable` writes.
  public static var readable: JSONDecoder { nonFinite }
}
