internal import Foundation
internal import NanoAutograd
public import NanoData
public import NanoModels
public import NanoOptim
public import NanoTensor

/// What someone who watches a run is told.
public protocol RunObserver {
  /// After every update.
  mutating func didStep(_ step: Int, of total: Int, loss: Double, tokensPerSecond: Double) throws
  /// After every evaluation.
  mutating func didEvaluate(_ point: EvaluationPoint, of total: Int) throws
}

/// A trained model and everything measured while it was trained.
public struct RunOutcome<Model: LanguageModel>: Sendable {
  public let result: ModelResult
  public let curve: [EvaluationPoint]
  /// The weights of the best evaluation.
  public let bestModel: Model
  /// Whether it was asked to stop before the last iteration.
  public let wasInterrupted: Bool
  /// Why it ended early, if training failed; the weights are then the best before that.
  public let failure: TrainingError?
}

/// One model's part of the study: train, evaluate on the way, measure.
public struct ModelRun: Sendable {
  public let configuration: StudyConfiguration
  public let dataset: TextDataset
  /// Where the model is trained and evaluated.
  public var device = Device.cpu
  private let pool: WorkerPool

  public init(
    _ configuration: StudyConfiguration, dataset: TextDataset, pool: WorkerPool = .shared
  ) {
    self.configuration = configuration
    self.dataset = dataset
    self.pool = pool
  }

  /// Streams of the seed.
  private enum Stream: UInt64 {
    case weights = 1
    case batches, evaluation, inference
  }

  private func stream(_ stream: Stream) -> RandomGenerator {
    RandomGenerator(seed: configuration.seed).split(stream.rawValue)
  }

  /// Fresh weights for this configuration's seed.
  public func makeModel(
    _ model: StudyModel, vocabularySize: Int
  ) throws(ConfigurationError) -> Decoder {
    var generator = stream(.weights)
    return try Decoder(configuration.decoder(of: model, vocabularySize: vocabularySize), using: &generator)
  }

  /// The training batch of a step: a function of seed and step alone.
  public func trainingBatch(_ step: Int) -> TokenBatch {
    var generator = stream(.batches).split(UInt64(step))
    return dataset.batch(
      of: .training, sequenceCount: configuration.batchSize,
      sequenceLength: configuration.contextLength, using: &generator)
  }

  /// Runs the whole protocol, or what is left of it.
  /// - Parameters:
  ///   - model: what to begin with, where there is no checkpoint.
  ///   - name: of the model in the result.
  ///   - checkpoints: where the run's state is kept, to go on from; nil to keep none.
  ///   - shouldStop: asked after every step; true ends the run with what there is, after a checkpoint.
  /// - Throws: for a damaged or foreign checkpoint, files that cannot be written, and what the observer and
  ///   `shouldStop` throw.
  public func train<Model: LanguageModel, Rule: Optimizer>(
    _ model: Model, named name: String, rule: Rule, checkpoints: CheckpointFolder? = nil,
    observer: inout some RunObserver,
    shouldStop: () throws -> Bool
  ) throws -> RunOutcome<Model> {
    let tensorBytesBefore = MemoryPool.shared.statistics.currentBytes
    let evaluator = Evaluator(
      dataset: dataset, batchCount: configuration.evaluationBatches,
      sequenceCount: configuration.batchSize, sequenceLength: configuration.contextLength,
      precision: configuration.precision, generator: stream(.evaluation), pool: pool)
    var run = try ResumableTrainer<Model, Rule, EvaluationPoint>(
      checkpoints, fresh: model, rule: rule,
      configuration: configuration.trainer, iterations: configuration.iterations, device: device,
      tensorBytesBefore: tensorBytesBefore, pool: pool)
    let tokens = Double(configuration.batchSize * configuration.contextLength)
    var wasInterrupted = false
    var failure: TrainingError?

    while run.progress.step < configuration.iterations {
      let step = run.progress.step
      if step % configuration.evaluationInterval == 0 || step == configuration.iterations - 1,
        run.progress.curve.last?.step != step
      {
        let watch = Stopwatch()
        let point = EvaluationPoint(
          step: step,
          trainingLoss: evaluator.meanLoss(of: run.trainer.model, on: .training, step: step),
          validationLoss: evaluator.meanLoss(of: run.trainer.model, on: .validation, step: step),
          seconds: run.seconds)
        run.progress.evaluationSeconds += watch.seconds
        guard point.validationLoss.isFinite else {
          failure = .notFinite(step: step, tensor: "the validation loss")
          break
        }
        run.progress.curve.append(point)
        if point.validationLoss < run.progress.best?.validationLoss ?? .infinity {
          run.progress.best = point
          run.best = run.trainer.model.on(.cpu)
        }
        try observer.didEvaluate(point, of: configuration.iterations)
      }
      let watch = Stopwatch()
      do {
        let report = try run.trainer.step(on: trainingBatch(step))
        let seconds = watch.seconds
        run.didStep(seconds: seconds, report)
        try observer.didStep(
          step, of: configuration.iterations, loss: report.loss, tokensPerSecond: tokens / seconds)
      } catch let error as TrainingError {
        failure = error
        break
      }
      wasInterrupted = try shouldStop()
      let made = run.progress.step
      if wasInterrupted || made == configuration.iterations
        || configuration.checkpointInterval.map({ made % $0 == 0 }) ?? false
      {
        try run.save(keeping: configuration.keptCheckpoints)
      }
      if wasInterrupted { break }
    }
    run.updateProgress()
    let (progress, bestModel) = (run.progress, run.best ?? run.trainer.model.on(.cpu))
    return RunOutcome(
      result: result(of: bestModel, named: name, progress), curve: progress.curve, bestModel: bestModel,
      wasInterrupted: wasInterrupted, failure: failure)
  }

  private func result<Model: LanguageModel>(
    of bestModel: Model, named name: String, _ progress: RunProgress<EvaluationPoint>
  ) -> ModelResult {
    let growth = ResidentMemory.currentBytes - progress.residentBytesAtStart
    let parameters = bestModel.parameterCount
    let point = progress.best ?? .unmeasured
    let steps = Double(max(1, progress.step))
    let meanStep = progress.trainingSeconds / steps
    let perplexity = exp(point.validationLoss)
    let tokens = Double(configuration.batchSize * configuration.contextLength)
    return ModelResult(
      name: name, parameters: parameters, bestValidationLoss: point.validationLoss,
      finalValidationLoss: (progress.curve.last ?? .unmeasured).validationLoss,
      finalTrainingLoss: (progress.curve.last ?? .unmeasured).trainingLoss, perplexity: perplexity,
      parameterEfficiency: perplexity / (Double(parameters) / 1e6), trainStepMeanMs: meanStep * 1e3,
      trainStepMedianMs: progress.recentStepSeconds.median * 1e3,
      trainStepWithEvaluationMeanMs: (meanStep + progress.evaluationSeconds / steps) * 1e3,
      inferenceMeanMs: inferenceTimes(of: bestModel.on(device), count: 100).mean * 1e3,
      peakTensorBytes: progress.peakTensorBytes, residentGrowthBytesPerStep: Double(growth) / steps,
      peakResidentBytes: max(progress.peakResidentBytes, ResidentMemory.peakBytes),
      tokensPerSecond: meanStep > 0 ? tokens / meanStep : 0, seconds: progress.totalSeconds,
      completedIterations: progress.step, bestIteration: point.step)
  }

  /// Seconds of `count` forwards of one batch, shards in parallel, after a tenth as many to warm up.
  public func inferenceTimes(of model: some LanguageModel, count: Int) -> [Double] {
    var generator = stream(.inference)
    let batch = dataset.batch(
      of: .validation, sequenceCount: configuration.batchSize,
      sequenceLength: configuration.contextLength, using: &generator)
    return InferenceTimer(shardCount: configuration.shardCount, precision: configuration.precision)
      .times(of: model, on: batch, count: count)
  }
}

extension EvaluationPoint {
  /// For a run that ended before its first evaluation.
  fileprivate static let unmeasured = EvaluationPoint(
    step: 0, trainingLoss: .nan, validationLoss: .nan, seconds: 0)
}
