internal import NanoTensor

/// The results of the character study.
public typealias StudyResults = ComparisonResults<StudyConfiguration, CorpusDescription, ModelResult>

/// Where the text came from.
public struct CorpusDescription: Hashable, Sendable, Codable {
  /// A path, or `built-in`.
  public var source: String
  public var characters: Int
  public var vocabulary: Int
  /// For the built-in corpus: the exact mean negative log likelihood of the validation text under the
  /// grammar that made it, in nats a character. No model can do better on average.
  public var optimumNLL: Double?

  public init(source: String, characters: Int, vocabulary: Int, optimumNLL: Double? = nil) {
    self.source = source
    self.characters = characters
    self.vocabulary = vocabulary
    self.optimumNLL = optimumNLL
  }
}

/// Every figure of one model.
public struct ModelResult: Hashable, Sendable, Codable {
  public var name: String
  public var parameters: Int
  public var bestValidationLoss: Double
  public var finalValidationLoss: Double
  public var finalTrainingLoss: Double
  /// exp(best validation loss)
  public var perplexity: Double
  /// Perplexity per million parameters; lower is better.
  public var parameterEfficiency: Double
  public var trainStepMeanMs: Double
  /// Of the last 1,000 steps.
  public var trainStepMedianMs: Double
  /// Mean time of an iteration with evaluations spread over all.
  public var trainStepWithEvaluationMeanMs: Double
  /// Mean forward of one batch.
  public var inferenceMeanMs: Double
  /// The most bytes that tensors held at once.
  public var peakTensorBytes: Int
  /// Growth of the resident set over the run, per step.
  public var residentGrowthBytesPerStep: Double
  public var peakResidentBytes: Int
  /// Training tokens a second, evaluation not counted.
  public var tokensPerSecond: Double
  /// The whole run, evaluation included.
  public var seconds: Double
  public var completedIterations: Int
  /// The iteration whose evaluation was best.
  public var bestIteration: Int
}

/// One evaluation.
public struct EvaluationPoint: RunPoint {
  public let step: Int
  public let trainingLoss: Double
  public let validationLoss: Double
  /// Seconds since the model's run began.
  public let seconds: Double

  public var isPlausible: Bool {
    trainingLoss.isFinite && validationLoss.isFinite && seconds >= 0 && seconds.isFinite
  }
}
