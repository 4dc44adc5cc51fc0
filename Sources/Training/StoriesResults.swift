internal import Foundation
public import NanoData
internal import NanoModels
internal import NanoTensor

/// One evaluation of the stories study.
public struct StoriesPoint: RunPoint {
  public var step: Int
  /// Mean training loss since the evaluation before; nil for the first.
  public var trainingLoss: Double?
  /// Of some windows on the way, of everything at the end.
  public var validation: FullPassEvaluation
  /// Nats a token of the windows that are read on the way, where `validation` is of everything.
  public var nllOfWindows: Double?
  /// Seconds of training alone, and of everything, so far.
  public var trainingSeconds: Double
  public var seconds: Double

  /// Nats a token of the same windows at every point, so that points can be compared along curves.
  public var comparableNLL: Double { nllOfWindows ?? validation.nllPerToken }

  public var isPlausible: Bool {
    let numbers = [
      trainingLoss ?? 0, validation.nllPerToken, comparableNLL, validation.bitsPerCharacter, trainingSeconds, seconds,
    ]
    return numbers.allSatisfy(\.isFinite) && validation.tokens > 0 && trainingSeconds >= 0 && seconds >= 0
  }

  /// Whether it is better on the windows that every evaluation reads.
  func isBetterOnWindows(than other: StoriesPoint?) -> Bool {
    comparableNLL < other?.comparableNLL ?? .infinity
  }
}

/// Every figure of one model. Names that the character study has too mean the same.
public struct StoriesResult: Hashable, Sendable, Codable {
  public var name: String
  public var parameters: Int
  /// Parameters that take part in the computation for one token.
  public var activeParameters: Int
  /// In nats a token: of the weights that were best, which are those kept, in a full pass if the run reached
  /// its end.
  public var bestValidationLoss: Double
  public var finalValidationLoss: Double
  public var finalTrainingLoss: Double
  public var perplexity: Double
  public var parameterEfficiency: Double
  public var bitsPerCharacter: Double
  public var bitsPerByte: Double
  public var trainStepMeanMs: Double
  /// Of the last 1,000 steps.
  public var trainStepMedianMs: Double
  public var trainStepWithEvaluationMeanMs: Double
  /// The optimizers' share of the training time.
  public var updateShare: Double
  public var peakTensorBytes: Int
  public var residentGrowthBytesPerStep: Double
  public var peakResidentBytes: Int
  public var tokensPerSecond: Double
  public var trainingTokens: Int
  public var trainingSeconds: Double
  public var seconds: Double
  public var completedIterations: Int
  public var bestIteration: Int
  public var microBatches: Int
  public var checkpointsActivations: Bool
  public var curve: [StoriesPoint]

  init<Model: LanguageModel>(
    model: StoriesModel, _ type: Model.Type, parameters: Int, activeParameters: Int,
    progress: RunProgress<StoriesPoint>, tokensPerStep: Int
  ) {
    let curve = progress.curve
    let best = progress.best
    let steps = Double(max(1, progress.step))
    name = model.rawValue
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
    trainStepWithEvaluationMeanMs = progress.totalSeconds / steps * 1e3
    updateShare = progress.updateSeconds / max(progress.trainingSeconds, 1e-9)
    peakTensorBytes = progress.peakTensorBytes
    residentGrowthBytesPerStep =
      Double(ResidentMemory.currentBytes - progress.residentBytesAtStart) / steps
    peakResidentBytes = progress.peakResidentBytes
    trainingTokens = progress.step * tokensPerStep
    tokensPerSecond = Double(trainingTokens) / max(progress.trainingSeconds, 1e-9)
    trainingSeconds = progress.trainingSeconds
    seconds = progress.totalSeconds
    completedIterations = progress.step
    bestIteration = best?.step ?? 0
    microBatches = progress.trainer.microBatchCount
    checkpointsActivations = progress.trainer.checkpointsActivations
    self.curve = curve
  }

  /// The loss, on the windows that evaluations on the way read, that training had reached after so many seconds of
  /// it, interpolated between evaluations; nil if there was none.
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

/// The results of the stories study.
public typealias StoriesResults = ComparisonResults<
  StoriesConfiguration, StoriesCorpusDescription, StoriesResult
>

/// Where the stories came from.
public struct StoriesCorpusDescription: Hashable, Sendable, Codable {
  /// A path, or `built-in`.
  public var source: String
  public var vocabulary: Int
  public var trainingStories, validationStories: Int
  public var trainingTokens, validationTokens: Int
  /// Of the validation stories' raw text.
  public var validationCharacters, validationBytes: Int

  /// What the files were recognized as.
  public var form: String?

  public init(_ dataset: StoriesDataset, form: String) {
    let (training, validation) = (dataset.training.header, dataset.validation.header)
    source = dataset.source
    self.form = form
    vocabulary = dataset.tokenizer.vocabularySize
    trainingStories = training.storyCount
    validationStories = validation.storyCount
    trainingTokens = training.tokenCount
    validationTokens = validation.tokenCount
    validationCharacters = validation.characterCount
    validationBytes = validation.byteCount
  }
}
