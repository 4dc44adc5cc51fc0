internal import Foundation
internal import NanoTensor
public import NanoTraining

/// Every figure of one run.
public struct RunResult: Hashable, Sendable, Codable {
  /// Of its arm, as its folder has it.
  public var name: String
  /// For people.
  public var title: String
  /// The seed of the run.
  public var seed: UInt64
  /// Parameters of the model, each number counted.
  public var parameters: Int
  /// Parameters that take part in the computation for one token.
  public var activeParameters: Int
  /// In nats a token: of the weights that were best, which are those kept; in a full pass, where the run makes one and
  /// reached its end.
  public var bestValidationLoss: Double
  /// Validation loss of the last evaluation, in nats a token; NaN where there is none.
  public var finalValidationLoss: Double
  /// Training loss of the last evaluation that has one, in nats a token; NaN where none has.
  public var finalTrainingLoss: Double
  /// exp(best validation loss)
  public var perplexity: Double
  /// Perplexity per million parameters; lower is better.
  public var parameterEfficiency: Double
  /// The validation loss of the best weights in bits a character of the raw text; NaN where there is none.
  public var bitsPerCharacter: Double
  /// The validation loss of the best weights in bits a byte of the text in UTF-8; NaN where there is none.
  public var bitsPerByte: Double
  /// Mean time of a step in milliseconds, evaluations not counted.
  public var trainStepMeanMs: Double
  /// Of the last 1,000 steps.
  public var trainStepMedianMs: Double
  /// Mean time of an iteration with evaluations spread over all.
  public var trainStepWithEvaluationMeanMs: Double
  /// Mean forward of one batch; nil where it is not timed.
  public var inferenceMeanMs: Double?
  /// The optimizers' share of the training time.
  public var updateShare: Double
  /// The most bytes that tensors held at once.
  public var peakTensorBytes: Int
  /// Growth of the resident set over the run, per step.
  public var residentGrowthBytesPerStep: Double
  /// The most bytes of main memory that the process had at once.
  public var peakResidentBytes: Int
  /// Training tokens a second, evaluation not counted.
  public var tokensPerSecond: Double
  /// Tokens that all steps read, each as often as it was read.
  public var trainingTokens: Int
  /// Seconds of all steps, evaluations not counted.
  public var trainingSeconds: Double
  /// The whole run, evaluation included.
  public var seconds: Double
  /// Steps made; fewer than the experiment's where the run did not reach its end.
  public var completedIterations: Int
  /// The iteration whose evaluation was best.
  public var bestIteration: Int
  /// Micro-batches that a step's batch was divided into at last; more than were asked for where memory was short.
  public var microBatches: Int
  /// Whether activations were recomputed at last, because that was asked for or memory was short.
  public var checkpointsActivations: Bool
  /// Steps of warm-up that were made, which are at most half of a run; nil in results of earlier versions.
  public var warmUpSteps: Int?
  /// Of the machine, as ``Machine/loadAverage``, when the run began or went on and when it ended.
  public var loadAverageAtStart, loadAverageAtEnd: Double?
  /// True where the run was one of several at work on a GPU: its seconds depend on the others.
  public var sharedDevice: Bool?
  /// Every evaluation, in the order of steps.
  public var curve: [EvaluationPoint]

  init(
    name: String, title: String, seed: UInt64, parameters: Int, activeParameters: Int, progress: RunProgress,
    tokensPerStep: Int, warmUpSteps: Int, loadAverageAtStart: Double?
  ) {
    let (curve, best) = (progress.curve, progress.best)
    let steps = Double(max(1, progress.step))
    self.name = name
    self.title = title
    self.seed = seed
    self.parameters = parameters
    self.activeParameters = activeParameters
    bestValidationLoss = best?.validation.nllPerToken ?? .nan
    finalValidationLoss = curve.last?.validation.nllPerToken ?? .nan
    finalTrainingLoss = curve.compactMap(\.trainingLoss).last ?? .nan
    perplexity = exp(bestValidationLoss)
    parameterEfficiency = perplexity / (Double(parameters) / 1e6)
    bitsPerCharacter = best?.validation.bitsPerCharacter ?? .nan
    bitsPerByte = best?.validation.bitsPerByte ?? .nan
    trainStepMeanMs = progress.trainingSeconds / steps * 1e3
    trainStepMedianMs = progress.recentStepSeconds.median * 1e3
    trainStepWithEvaluationMeanMs = (progress.trainingSeconds + progress.evaluationSeconds) / steps * 1e3
    updateShare = progress.updateSeconds / max(progress.trainingSeconds, 1e-9)
    peakTensorBytes = progress.peakTensorBytes
    residentGrowthBytesPerStep = Double(ResidentMemory.currentBytes - progress.residentBytesAtStart) / steps
    peakResidentBytes = progress.peakResidentBytes
    trainingTokens = progress.step * tokensPerStep
    tokensPerSecond = Double(trainingTokens) / max(progress.trainingSeconds, 1e-9)
    trainingSeconds = progress.trainingSeconds
    seconds = progress.totalSeconds
    completedIterations = progress.step
    bestIteration = best?.step ?? 0
    microBatches = progress.trainer.microBatchCount
    checkpointsActivations = progress.trainer.checkpointsActivations
    self.warmUpSteps = warmUpSteps
    self.loadAverageAtStart = loadAverageAtStart
    loadAverageAtEnd = Machine.loadAverage
    self.curve = curve
  }

  /// The loss, on the text that evaluations on the way read, that training had reached after so many seconds of it,
  /// interpolated between evaluations; nil if there was none.
  public func validationLoss(afterTrainingSeconds seconds: Double) -> Double? {
    guard let next = curve.firstIndex(where: { $0.trainingSeconds >= seconds }) else {
      return curve.last?.comparableNLL
    }
    guard next > 0 else { return curve.first?.comparableNLL }
    let (a, b) = (curve[next - 1], curve[next])
    let share = (seconds - a.trainingSeconds) / max(b.trainingSeconds - a.trainingSeconds, 1e-9)
    return a.comparableNLL + share * (b.comparableNLL - a.comparableNLL)
  }
}
