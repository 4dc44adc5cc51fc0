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
  public func makeModel<Model: LanguageModel>(
    _ type: Model.Type, _ modelConfiguration: Model.Configuration
  ) throws(ConfigurationError) -> Model {
    var generator = stream(.weights)
    return try Model(modelConfiguration, using: &generator)
  }

  /// The training batch of a step: a function of seed and step alone.
  public func trainingBatch(_ step: Int) -> TokenBatch {
    var generator = stream(.batches).split(UInt64(step))
    return dataset.batch(
      of: .training, sequenceCount: configuration.batchSize,
      sequenceLength: configuration.contextLength, using: &generator)
  }

  /// Runs the whole protocol.
  /// - Parameter shouldStop: asked after every step; true ends the run with what there is.
  /// - Throws: what the observer throws.
  public func train<Model: LanguageModel, Rule: Optimizer>(
    _ model: Model, rule: Rule, observer: inout some RunObserver, shouldStop: () -> Bool
  ) throws -> RunOutcome<Model> {
    ResidentMemory.resetPeak()
    let tensorBytesBefore = MemoryPool.shared.statistics.currentBytes
    MemoryPool.shared.resetPeak()
    let residentBefore = ResidentMemory.currentBytes
    let evaluator = Evaluator(
      dataset: dataset, batchCount: configuration.evaluationBatches,
      sequenceCount: configuration.batchSize, sequenceLength: configuration.contextLength,
      precision: configuration.precision, generator: stream(.evaluation), pool: pool)
    let parameters = model.parameterCount
    device.resetPeak()
    var trainer = Trainer(
      model.on(device), rule: rule,
      configuration: TrainerConfiguration(
        shardCount: configuration.shardCount, precision: configuration.precision), pool: pool)
    let tokens = Double(configuration.batchSize * configuration.contextLength)

    var curve: [EvaluationPoint] = []
    var best: (point: EvaluationPoint, model: Model)?
    var stepTimes: [Double] = []
    var evaluationTime = 0.0
    var wasInterrupted = false
    var failure: TrainingError?
    let start = Stopwatch()

    for step in 0..<configuration.iterations {
      if step % configuration.evaluationInterval == 0 || step == configuration.iterations - 1 {
        let watch = Stopwatch()
        let point = EvaluationPoint(
          step: step,
          trainingLoss: evaluator.meanLoss(of: trainer.model, on: .training, step: step),
          validationLoss: evaluator.meanLoss(of: trainer.model, on: .validation, step: step),
          seconds: start.seconds)
        evaluationTime += watch.seconds
        guard point.validationLoss.isFinite else {
          failure = .notFinite(step: step, tensor: "the validation loss")
          break
        }
        curve.append(point)
        if point.validationLoss < best?.point.validationLoss ?? .infinity {
          best = (point, trainer.model.on(.cpu))
        }
        try observer.didEvaluate(point, of: configuration.iterations)
      }
      let watch = Stopwatch()
      do {
        let report = try trainer.step(on: trainingBatch(step))
        let seconds = watch.seconds
        stepTimes.append(seconds)
        try observer.didStep(
          step, of: configuration.iterations, loss: report.loss, tokensPerSecond: tokens / seconds)
      } catch let error as TrainingError {
        failure = error
        break
      }
      if shouldStop() {
        wasInterrupted = true
        break
      }
    }

    let seconds = start.seconds
    let peakTensorBytes =
      device.memory?.peakBytes ?? MemoryPool.shared.statistics.peakBytes - tensorBytesBefore
    let growth = ResidentMemory.currentBytes - residentBefore
    let (point, bestModel) = best ?? (.unmeasured, trainer.model.on(.cpu))
    let steps = Double(max(1, stepTimes.count))
    let meanStep = stepTimes.reduce(0, +) / steps
    let perplexity = exp(point.validationLoss)
    let result = ModelResult(
      name: Model.identifier, parameters: parameters, bestValidationLoss: point.validationLoss,
      finalValidationLoss: (curve.last ?? .unmeasured).validationLoss,
      finalTrainingLoss: (curve.last ?? .unmeasured).trainingLoss, perplexity: perplexity,
      parameterEfficiency: perplexity / (Double(parameters) / 1e6), trainStepMeanMs: meanStep * 1e3,
      trainStepMedianMs: stepTimes.median * 1e3,
      trainStepWithEvaluationMeanMs: (meanStep + evaluationTime / steps) * 1e3,
      inferenceMeanMs: inferenceTimes(of: bestModel.on(device), count: 100).mean * 1e3,
      peakTensorBytes: peakTensorBytes, residentGrowthBytesPerStep: Double(growth) / steps,
      peakResidentBytes: ResidentMemory.peakBytes,
      tokensPerSecond: meanStep > 0 ? tokens / meanStep : 0, seconds: seconds,
      completedIterations: stepTimes.count, bestIteration: point.step)
    return RunOutcome(
      result: result, curve: curve, bestModel: bestModel, wasInterrupted: wasInterrupted,
      failure: failure)
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
