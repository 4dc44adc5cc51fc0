internal import Foundation
internal import NanoAutograd
public import NanoData
internal import NanoLayers
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
  private let pool: WorkerPool

  public init(
    _ configuration: StoriesConfiguration, model: StoriesModel, dataset: StoriesDataset,
    folder: String, pool: WorkerPool = .shared
  ) {
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
      tokens: dataset.validation, endOfStory: dataset.tokenizer.endOfStory,
      windowLength: configuration.contextLength, precision: configuration.precision, pool: pool)
  }

  private var checkpoints: CheckpointFolder { CheckpointFolder(folder + "/checkpoints") }

  // MARK: Running

  /// Trains from the last checkpoint, or from fresh weights when there is none.
  /// - Parameter shouldStop: asked after every step; true ends the run after a checkpoint.
  /// - Throws: for a damaged or foreign checkpoint, files that cannot be written, and what the observer
  ///   throws.
  public func train(
    observer: inout some StoriesObserver, shouldStop: () -> Bool
  ) throws -> Outcome {
    var generator = stream(.weights)
    switch model {
    case .nanoKimiK2:
      return try train(
        try NanoKimiK2(configuration.kimi, using: &generator), observer: &observer,
        shouldStop: shouldStop)
    case .nanoGPT:
      return try train(
        try NanoGPT2(configuration.gpt, using: &generator), observer: &observer,
        shouldStop: shouldStop)
    case .nanoGPTTotal:
      return try train(
        try NanoGPT2(configuration.gptTotal, using: &generator), observer: &observer,
        shouldStop: shouldStop)
    }
  }

  private func train(
    _ fresh: some LanguageModel, observer: inout some StoriesObserver, shouldStop: () -> Bool
  ) throws -> Outcome {
    let (rate, c) = (configuration.learningRate(of: model), configuration)
    switch configuration.optimizer(of: model) {
    case .adamW:
      return try train(
        fresh,
        rule: StoriesRecipe.adamW(learningRate: rate, beta2: c.beta2, weightDecay: c.weightDecay),
        observer: &observer, shouldStop: shouldStop)
    case .muon:
      return try train(
        fresh,
        rule: StoriesRecipe.muon(
          learningRate: rate, beta2: c.beta2, weightDecay: c.weightDecay, precision: c.precision),
        observer: &observer, shouldStop: shouldStop)
    }
  }

  private func train<Model: LanguageModel, Rule: Optimizer>(
    _ fresh: Model, rule: Rule, observer: inout some StoriesObserver, shouldStop: () -> Bool
  ) throws -> Outcome {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    MemoryPool.shared.resetPeak()
    ResidentMemory.resetPeak()
    let saved = try checkpoints.last()
    var progress =
      saved?.progress ?? Checkpoint.Progress(step: 0, trainer: configuration.trainer(of: self.model))
    if saved == nil { progress.residentBytesAtStart = ResidentMemory.currentBytes }
    var model = fresh
    if let saved {
      try model.loadWeights(
        Dictionary(uniqueKeysWithValues: saved.weights.map { ($0.name, $0.tensor) }))
    }
    var trainer = Trainer(
      model, rule: rule, schedule: configuration.learningRateSchedule,
      configuration: progress.trainer, pool: pool)
    model = fresh  // the trainer's weights have one owner
    if let saved {
      try trainer.restore(
        stepCount: progress.step, lossScale: progress.lossScale, optimizer: saved.optimizer)
    }
    let log = try MetricsLog(folder: folder, firstStep: progress.step)
    let evaluator = evaluator
    let (earlierTraining, earlierTotal) = (progress.trainingSeconds, progress.totalSeconds)
    let watch = Stopwatch()
    var trained = 0.0
    var (wasInterrupted, failure) = (false, nil as TrainingError?)
    var recentLosses: [Double] = []

    func updateProgress(_ progress: inout Checkpoint.Progress) {
      progress.trainingSeconds = earlierTraining + trained
      progress.totalSeconds = earlierTotal + watch.seconds
      progress.peakTensorBytes = max(
        progress.peakTensorBytes, MemoryPool.shared.statistics.peakBytes)
      progress.peakResidentBytes = max(progress.peakResidentBytes, ResidentMemory.peakBytes)
    }

    while true {
      let step = progress.step
      let isEnd = step == configuration.iterations
      if step % configuration.evaluationInterval == 0 || isEnd,
        progress.curve.last?.step != step
      {
        updateProgress(&progress)
        let evaluation = evaluator.evaluate(
          trainer.model, windows: isEnd ? nil : configuration.evaluationWindows)
        let point = StoriesPoint(
          step: step, trainingLoss: recentLosses.isEmpty ? nil : recentLosses.mean, validation: evaluation,
          trainingSeconds: progress.trainingSeconds, seconds: progress.totalSeconds)
        guard evaluation.nllPerToken.isFinite else {
          failure = .notFinite(step: step, tensor: "the validation loss")
          break
        }
        if evaluation.nllPerToken < progress.curve.map(\.validation.nllPerToken).min() ?? .infinity {
          try ModelFolder.save(trainer.model, tokenizer: dataset.tokenizer, to: folder)
        }
        progress.curve.append(point)
        recentLosses = []
        try observer.didEvaluate(point, of: configuration.iterations)
      }
      if let interval = configuration.sampleInterval, step > 0, step % interval == 0 || isEnd {
        try observer.shouldSample(trainer.model, step: step)
      }
      if isEnd { break }

      let stepWatch = Stopwatch()
      do {
        let report = try self.step(&trainer, observer: &observer)
        let seconds = stepWatch.seconds
        trained += seconds
        progress.step += 1
        progress.trainer = trainer.configuration
        progress.lossScale = trainer.lossScale
        progress.loads.add(report.statistics.routing)
        progress.stepSeconds.append(seconds)
        progress.updateSeconds += report.updateSeconds
        recentLosses.append(report.loss)
        let record = record(
          of: report, step: step, seconds: seconds, loads: progress.loads, trainer: trainer)
        try log.append(record)
        try observer.didStep(record, of: configuration.iterations)
      } catch let error as TrainingError {
        failure = error
        break
      }
      wasInterrupted = shouldStop()
      let isDue = configuration.checkpointInterval.map { progress.step % $0 == 0 } ?? false
      if isDue || wasInterrupted {
        updateProgress(&progress)
        try checkpoints.save(
          Checkpoint(
            progress: progress, weights: trainer.model.weights,
            optimizer: trainer.optimizerSnapshot),
          keeping: configuration.keptCheckpoints)
      }
      if wasInterrupted { break }
    }
    updateProgress(&progress)
    return Outcome(
      result: StoriesResult(
        model: self.model, Model.self, parameters: fresh.parameterCount,
        activeParameters: fresh.activeParameterCount, progress: progress,
        tokensPerStep: configuration.batchSize * configuration.contextLength),
      wasInterrupted: wasInterrupted, failure: failure)
  }

  /// One step; when memory is not enough, the same batch in twice as many micro-batches, then with
  /// activations recomputed.
  private func step<Model: LanguageModel, Rule: Optimizer>(
    _ trainer: inout Trainer<Model, Rule>, observer: inout some StoriesObserver
  ) throws -> StepReport {
    let batch = trainingBatch(trainer.stepCount)
    while true {
      do throws(TrainingError) {
        return try trainer.step(on: batch)
      } catch {
        guard case .memoryLimit(let step, let needed, let limit) = error else { throw error }
        MemoryPool.shared.trim()
        let need = "step \(step): \(needed / 1_000_000) MB of \(limit / 1_000_000) MB"
        if trainer.configuration.microBatchCount < configuration.batchSize {
          trainer.configuration.microBatchCount = min(
            2 * trainer.configuration.microBatchCount, configuration.batchSize)
          observer.didNotice(
            "\(need); trying again with \(trainer.configuration.microBatchCount) micro-batches")
        } else if !trainer.configuration.checkpointsActivations {
          trainer.configuration.checkpointsActivations = true
          observer.didNotice("\(need); trying again with activations recomputed")
        } else {
          throw error
        }
      }
    }
  }

  private func record<Model: LanguageModel, Rule: Optimizer>(
    of report: StepReport, step: Int, seconds: Double, loads: LoadAverages,
    trainer: borrowing Trainer<Model, Rule>
  ) -> StepRecord {
    let mixture = configuration.kimi.mixture
    let routing = report.statistics.routing
    let biases = trainer.model.namedParameters.filter { $0.name.hasSuffix("selection_biases") }
      .map(\.parameter.value.scalars)
    let balanceLoss = routing.reduce(0) { $0 + $1.balanceLoss }
    let zLoss = routing.reduce(0) { $0 + $1.zLoss }
    let memory = MemoryPool.shared.statistics
    return StepRecord(
      step: step,
      loss: report.loss + Double(mixture.balanceLossCoefficient) * balanceLoss
        + Double(mixture.zLossCoefficient) * zLoss,
      nll: report.loss, balanceLoss: balanceLoss, zLoss: zLoss,
      learningRate: Double(configuration.learningRate(of: model) * report.learningRateFactor),
      gradientNorm: Double(report.gradientNorm),
      tokensPerSecond: Double(configuration.batchSize * configuration.contextLength) / seconds,
      seconds: seconds, updateSeconds: report.updateSeconds,
      currentTensorBytes: memory.currentBytes, peakTensorBytes: memory.peakBytes,
      residentBytes: ResidentMemory.currentBytes,
      microBatches: trainer.configuration.microBatchCount,
      checkpointsActivations: trainer.configuration.checkpointsActivations,
      lossScale: trainer.lossScale.map { Double($0.value) },
      mixtures: routing.indices.map { index in
        MixtureRecord(
          loads: routing[index].loads.map {
            Double($0) / Double(max(1, routing[index].loads.reduce(0, +)))
          },
          maximalViolation: routing[index].maximalViolation,
          loadEntropy: routing[index].loadEntropy, routerEntropy: routing[index].routerEntropy,
          deadExperts: loads.deadExperts(ofMixture: index),
          largestBias: biases[index].max() ?? 0, smallestBias: biases[index].min() ?? 0,
          largestRouterLogit: routing[index].largestLogit)
      },
      largestAttentionLogits: report.statistics.attention.map { $0.largestLogits.max() ?? 0 })
  }
}
