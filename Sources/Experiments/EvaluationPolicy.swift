internal import NanoCommunication
public import NanoData
internal import NanoModels
internal import NanoTensor
internal import NanoTraining

/// When and on what a run is evaluated.
public enum EvaluationPolicy: Hashable, Sendable, Codable {
  /// The mean over so many random batches of each split, before the first step, every few steps, and before the last
  /// step: the protocol of the published study.
  case randomWindows(batches: Int, splits: [Split])
  /// So many windows spread over the validation text on the way, and all of it after the last step.
  case fullPass(windowsOnTheWay: Int)

  /// As the published study has it.
  public static let publishedProtocol = randomWindows(batches: 200, splits: [.training, .validation])

  /// Whether the weights after `step` steps are evaluated.
  func isDue(at step: Int, interval: Int, of total: Int) -> Bool {
    switch self {
    case .randomWindows: step < total && (step % interval == 0 || step == total - 1)
    case .fullPass: step % interval == 0 || step == total
    }
  }
}

/// Carries out an ``EvaluationPolicy``.
struct Evaluator {
  let policy: EvaluationPolicy
  private let randomWindows: RandomWindowEvaluator
  private let fullPass: FullPassEvaluator
  private let total: Int

  /// What an evaluation found.
  struct Finding {
    /// Of random batches; nil where none are read.
    var trainingLoss: Double?
    var validation: Evaluation
    var nllOfWindows: Double?
  }

  init(
    _ experiment: Experiment, corpus: Corpus, generator: RandomGenerator, pool: WorkerPool,
    communicator: any Communicator
  ) {
    policy = experiment.evaluation
    total = experiment.iterations
    var batches = 1
    if case .randomWindows(let count, _) = policy { batches = count }
    randomWindows = RandomWindowEvaluator(
      corpus: corpus, batchCount: batches, sequenceCount: experiment.batchSize,
      sequenceLength: experiment.sequenceLength, precision: experiment.precision, generator: generator, pool: pool,
      communicator: communicator)
    fullPass = FullPassEvaluator(
      corpus.validation, windowLength: experiment.sequenceLength, precision: experiment.precision, pool: pool,
      communicator: communicator)
  }

  func evaluate(_ model: some LanguageModel, step: Int) -> Finding {
    switch policy {
    case .randomWindows(_, let splits):
      func loss(_ split: Split) -> Double { randomWindows.meanLoss(of: model, on: split, step: step) }
      let training = splits.contains(.training) ? loss(.training) : nil
      let tokens = randomWindows.batchCount * randomWindows.sequenceCount * randomWindows.sequenceLength
      return Finding(
        trainingLoss: training,
        validation: Evaluation(nllPerToken: loss(.validation), tokens: tokens, of: randomWindows.corpus.validation))
    case .fullPass(let windowCount):
      let windows = fullPass.evaluate(model, windows: windowCount)
      guard step == total else { return Finding(validation: windows) }
      return Finding(validation: fullPass.evaluate(model), nllOfWindows: windows.nllPerToken)
    }
  }

  /// A score of all of the text; nil where the policy knows none.
  func fullScore(of model: some LanguageModel) -> Evaluation? {
    guard case .fullPass = policy else { return nil }
    return fullPass.evaluate(model)
  }
}
