public import NanoData
internal import NanoModels
public import NanoTensor

/// What `results.json` holds. Names are stable.
public struct StudyResults: Sendable, Codable {
  /// The study's name.
  public var preset: String
  /// The first of the study's seeds.
  public var seed: UInt64
  /// What products of the first arm's runs round to.
  public var precision: Precision
  /// What was carried out.
  public var study: Study
  /// The text that all runs read.
  public var corpus: CorpusDescription
  /// Where the results were put together.
  public var machine: Machine
  /// Where the models were trained, of a resumed run at last: `cpu`, or the GPU's name.
  public var device: String
  /// What program the results were put together by.
  public var versions: Versions
  /// Whether it was stopped before its last iteration.
  public var interrupted: Bool
  /// Iterations that the runs were to end after before they were made longer, each time.
  public var madeLongerAt: [Int]?
  /// One entry a run, in the order in which they were made.
  public var models: [RunResult]
  /// Runs that training failed in.
  public var failures: [RunFailure]?
  /// How the arms' settings were searched for, where they were.
  public var trials: [TuningTrial]?
  /// What the runs that reached their end show, an arm, a comparison and an effect.
  public var analysis: StudyAnalysis?

  /// The results of some of a study's runs or all, on this machine and of this version, with their analysis.
  /// - Precondition: the study has at least one arm and one seed.
  public init(
    _ study: Study, corpus: CorpusDescription, interrupted: Bool = false, device: Device = .cpu, models: [RunResult],
    failures: [RunFailure] = []
  ) {
    preset = study.name
    seed = study.seeds[0]
    precision = study.arms[0].experiment.precision
    self.study = study
    self.corpus = corpus
    machine = .current
    self.device = device.description
    versions = .current
    self.interrupted = interrupted
    madeLongerAt = study.madeLongerAt
    self.models = models
    self.failures = failures.isEmpty ? nil : failures
    trials = study.trials
    analysis = StudyAnalysis(of: study, models, unit: corpus.unit)
  }

  /// Steps of the longest run that was planned.
  public var iterations: Int { study.iterations }
}

/// What a study's text came to.
public struct CorpusDescription: Hashable, Sendable, Codable {
  /// A path, or `built-in`.
  public var source: String
  /// What the text is.
  public var kind: CorpusRecipe.Kind
  /// What the file was recognized as.
  public var form: String
  /// Different tokens that the tokenizer has.
  public var vocabulary: Int
  /// Tokens of each split.
  public var trainingTokens, validationTokens: Int
  /// Of both splits.
  public var characters: Int
  /// Of the validation text.
  public var validationCharacters, validationBytes: Int
  /// Of texts that hold such.
  public var trainingStories, validationStories: Int?
  /// For the built-in text of characters: the exact mean negative log likelihood of the validation text under the
  /// grammar that made it, in nats a character. No model can do better on average.
  public var optimumNLL: Double?

  /// What is counted in a corpus that was read.
  public init(_ corpus: Corpus, kind: CorpusRecipe.Kind) {
    source = corpus.record.source
    self.kind = kind
    form = corpus.record.form
    vocabulary = corpus.tokenizer.vocabularySize
    trainingTokens = corpus.training.count
    validationTokens = corpus.validation.count
    characters = corpus.training.characterCount + corpus.validation.characterCount
    validationCharacters = corpus.validation.characterCount
    validationBytes = corpus.validation.byteCount
    trainingStories = corpus.training.storyCount
    validationStories = corpus.validation.storyCount
    optimumNLL = corpus.optimumNLL
  }

  /// What a loss is a number of nats a.
  public var unit: String { kind == .characters ? "character" : "token" }

  /// One line for people.
  public var summary: String {
    switch kind {
    case .characters: "Text: \(source), \(form), \(characters) characters, \(vocabulary) different"
    case .stories:
      "Stories: \(source), \(form), \(trainingStories ?? 0) to train on (\(trainingTokens) tokens), "
        + "\(validationStories ?? 0) to validate (\(validationTokens) tokens), \(vocabulary) pieces"
    }
  }
}

/// What made the results.
public struct Versions: Hashable, Sendable, Codable {
  /// The version of this package.
  public var nanoKimi: String
  /// The version of Swift that it was compiled with, told apart up to 6.3.
  public var swift: String

  /// Those of the program at work.
  public static var current: Versions {
    #if swift(>=6.3)
      let swift = "6.3 or later"
    #elseif swift(>=6.2)
      let swift = "6.2"
    #else
      let swift = "6.1"
    #endif
    return Versions(nanoKimi: "0.2.0-dev", swift: swift)
  }
}
