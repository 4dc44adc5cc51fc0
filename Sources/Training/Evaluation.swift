internal import Foundation
public import NanoData

/// What an evaluation says of a model.
public struct Evaluation: Hashable, Sendable, Codable {
  /// Tokens that were predicted.
  public var tokens: Int
  /// Mean negative log likelihood, in nats a token.
  public var nllPerToken: Double
  /// exp(nllPerToken); comparable between models of one tokenizer only.
  public var perplexity: Double
  /// Of the raw text, so comparable across tokenizers; what the end of a story costs is included.
  public var bitsPerCharacter: Double
  /// The loss per byte of UTF-8 text, in bits.
  public var bitsPerByte: Double
  /// Means over the mixtures of experts, if a full pass found any; none of them is part of the likelihood. The
  /// sequence-wise balance loss, the router z-loss (both without coefficient), and the maximal violation of
  /// balance over the whole pass.
  public var balanceLoss: Double?
  /// The mean z loss of routers; nil without sparse mixtures.
  public var zLoss: Double?
  /// The busiest expert's load over the mean load, less 1; nil without sparse mixtures.
  public var maximalViolation: Double?

  /// - Parameter text: what the tokens are of, whose ratio of tokens to characters and bytes counts.
  public init(nllPerToken: Double, tokens: Int, of text: TokenizedText) {
    let bitsPerToken = nllPerToken / log(2)
    let all = Double(text.count)
    self.tokens = tokens
    self.nllPerToken = nllPerToken
    perplexity = exp(nllPerToken)
    bitsPerCharacter = bitsPerToken * all / Double(max(1, text.characterCount))
    bitsPerByte = bitsPerToken * all / Double(max(1, text.byteCount))
  }
}

/// One evaluation on a run's way.
public struct EvaluationPoint: Hashable, Sendable, Codable {
  /// Steps made before it.
  public var step: Int
  /// Of random batches, where the evaluation reads some; else the mean of the steps since the evaluation before, nil
  /// for the first.
  public var trainingLoss: Double?
  /// On the validation text.
  public var validation: Evaluation
  /// Nats a token of the windows that are read on the way, where `validation` is of everything.
  public var nllOfWindows: Double?
  /// Seconds of training alone, so far.
  public var trainingSeconds: Double
  /// Seconds of everything so far, evaluations among it.
  public var seconds: Double

  /// A point of a curve, where `nllOfWindows` is only needed beside an evaluation of everything.
  public init(
    step: Int, trainingLoss: Double?, validation: Evaluation, nllOfWindows: Double? = nil, trainingSeconds: Double,
    seconds: Double
  ) {
    self.step = step
    self.trainingLoss = trainingLoss
    self.validation = validation
    self.nllOfWindows = nllOfWindows
    self.trainingSeconds = trainingSeconds
    self.seconds = seconds
  }

  /// Nats a token of the same text at every point, so that points can be compared along curves.
  public var comparableNLL: Double { nllOfWindows ?? validation.nllPerToken }

  /// Whether its numbers can be those of an evaluation.
  var isPlausible: Bool {
    let numbers = [
      trainingLoss ?? 0, validation.nllPerToken, comparableNLL, validation.bitsPerCharacter, trainingSeconds, seconds,
    ]
    return numbers.allSatisfy(\.isFinite) && validation.tokens > 0 && trainingSeconds >= 0 && seconds >= 0
  }
}
