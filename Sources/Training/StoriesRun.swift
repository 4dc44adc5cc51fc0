internal import Foundation
public import NanoData
public import NanoModels
internal import NanoOptim
public import NanoTensor

/// What someone who watches a run of the stories study is told.
public protocol StoriesObserver {
  /// After every update.
  mutating func didStep(_ record: StepRecord, of total: Int) throws
  /// After every evaluation.
  mutating func didEvaluate(_ point: StoriesPoint, of total: Int) throws
  /// When samples are due.
  mutating func shouldSample(_ model: some LanguageModel, step: Int) throws
  /// When something happened that a person should know.
  mutating func didNotice(_ message: String)
}

/// One model's part of the stories study: train, evaluate, log, save, and go on after any interruption.
///
/// Everything is in `folder`: the best model so far (`config.json`, `model.safetensors`,
/// `tokenizer.model`), `metrics.csv`, `metrics.jsonl`, and `checkpoints`.
public struct StoriesRun: Sendable {
  public let configuration: StoriesConfiguration
  public let model: StoriesModel
  public let dataset: StoriesDataset
  public let folder: String
  /// What the model's folder says of its data.
  public let data: DataRecord?
  /// Where the model is trained and evaluated.
  public var device = Device.cpu
  private let pool: WorkerPool

  public init(
    _ configuration: StoriesConfiguration, model: StoriesModel, dataset: StoriesDataset,
    folder: String, data: DataRecord? = nil, pool: WorkerPool = .shared
  ) {
    self.data = data
    self.configuration = configuration
    self.model = model
    self.dataset = dataset
    self.folder = folder
    self.pool = pool
  }

  /// How a run ended.
  public struct Outcome: Sendable {
    public let result: StoriesResult
    public let wasInterrupted: Bool
    /// Why training failed, if it did.
    public let failure: TrainingError?
  }

  // MARK: Parts

  private enum Stream: UInt64 {
    case weights = 1
    case batches
  }

  private func stream(_ stream: Stream) -> RandomGenerator {
    RandomGenerator(seed: configuration.seed).split(stream.rawValue)
  }

  /// The training batch of a step: a function of seed and step alone.
  public func trainingBatch(_ step: Int) -> TokenBatch {
    var generator = stream(.batches).split(UInt64(step))
    return dataset.trainingBatch(
      sequenceCount: configuration.batchSize, sequenceLength: configuration.contextLength,
      using: &generator)
  }

  public var evaluator: FullPassEvaluator {
    FullPassEvaluator(
      ScoredText(dataset.validation, endOfStory: dataset.tokenizer.endOfStory),
      windowLength: configuration.contextLength, precision: configuration.precision, pool: pool)
  }

  var checkpoints: CheckpointFolder { CheckpointFolder(folder + "/checkpoints") }

  // MARK: Running

  /// Trains from the last checkpoint, or from given or fresh weights when there is none.
  /// - Parameters:
  ///   - initial: weights to begin with; fresh ones by default.
  ///   - shouldStop: asked after every step; true ends the run after a checkpoint.
  /// - Throws: for a damaged or foreign checkpoint, files that cannot be written, and what the observer
  ///   throws.
  public func train(
    from initial: [String: Tensor]? = nil, observer: inout some StoriesObserver,
    shouldStop: () throws -> Bool
  ) throws -> Outcome {
    var generator = stream(.weights)
    var fresh = try Decoder(configuration.decoder(of: model), using: &generator)
    if let initial { try fresh.loadWeights(initial) }
    return try train(fresh, observer: &observer, shouldStop: shouldStop)
  }

  private func train(
    _ fresh: some LanguageModel, observer: inout some StoriesObserver, shouldStop: () throws -> Bool
  ) throws -> Outcome {
    switch configuration.optimizer(of: model) {
    case .adamW:
      try train(fresh, rule: configuration.adamWRule, observer: &observer, shouldStop: shouldStop)
    case .muon:
      try train(fresh, rule: configuration.muonRule, observer: &observer, shouldStop: shouldStop)
    }
  }

  private func train<Model: LanguageModel, Rule: Optimizer>(
    _ fresh: Model, rule: Rule, observer: inout some StoriesObserver, shouldStop: () throws -> Bool
  ) throws -> Outcome {
    try OutputFolder.make(folder)
    var loop = try StoriesLoop(self, fresh: fresh, rule: rule, pool: pool)
    // Only now: what weights and optimizer hold is no longer there for steps.
    MemoryPool.shared.limit = configuration.memoryLimit ?? MemoryPool.shared.systemLimit
    device.memoryLimit = configuration.memoryLimit
    defer {
      MemoryPool.shared.limit = nil
      device.memoryLimit = nil
    }
    var (wasInterrupted, failure) = (false, nil as TrainingError?)
    do {
      while true {
        try loop.evaluateIfDue(&observer)
        try loop.sampleIfDue(&observer)
        if loop.isAtEnd {
          // With the end's evaluation, for a run that is made longer.
          try loop.saveCheckpointIfDue(now: true)
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
    return Outcome(
      result: loop.result(), wasInterrupted: wasInterrupted, failure: failure)
  }
}
