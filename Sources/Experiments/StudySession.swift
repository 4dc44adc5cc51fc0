internal import Foundation
public import NanoData
public import NanoTensor
public import NanoTraining

/// A study that is carried out in a folder, one run after another: begun, or gone on with after any interruption. A run
/// that has reached its end is not made again.
public struct StudySession {
  public let study: Study
  public let corpus: Corpus
  public let folder: String
  public var device = Device.cpu
  /// Why a run's training failed, if it did.
  public private(set) var failure: TrainingError?
  private let lock: FolderLock
  private var wasInterrupted = false
  private var models: [RunResult] = []

  private static let tokenizerName = "tokenizer.model"

  /// Begins a study in a new folder.
  /// - Parameter names: the folder's, of which the first that is free is taken.
  public init(beginning study: Study, corpus: Corpus, folders names: [String]) throws {
    try corpus.requireWindows(of: study.longestSequence)
    var files = [Study.fileName: try JSONEncoder.readable.encode(study)]
    if let tokenizer = corpus.tokenizer as? SentencePieceTokenizer { files[Self.tokenizerName] = tokenizer.model }
    folder = try OutputFolder.create(names, with: files)
    lock = try OutputFolder.hold(folder)
    self.study = study
    self.corpus = corpus
  }

  /// Goes on with the study of a folder.
  public init(resuming study: Study, corpus: Corpus, folder: String, hold: FolderLock) throws {
    try study.write(to: folder)
    self.folder = folder
    lock = hold
    self.study = study
    self.corpus = corpus
  }

  /// The corpus of a study as the runs in a folder have it: with the tokenizer that is there.
  public static func corpusRecipe(of study: Study, in folder: String) -> CorpusRecipe {
    var recipe = study.corpus
    if recipe.kind == .stories { recipe.tokenizer = "\(folder)/\(tokenizerName)" }
    return recipe
  }

  /// Makes every run that is missing; ends early when interrupted or when training fails.
  /// - Parameters:
  ///   - observer: makes the one who watches a run.
  ///   - shouldStop: asked after every step.
  ///   - report: is given what there is after each run.
  public mutating func run<Observer: RunObserver>(
    observer: (Study.PlannedRun) -> Observer, shouldStop: () -> Bool, report: (StudyResults) throws -> Void
  ) throws -> StudyResults {
    do {
      for planned in study.runs where failure == nil && !wasInterrupted {
        try make(planned, observer, shouldStop)
        try requireFolder()
        try report(results)
      }
    } catch {
      try requireFolder()
      throw error
    }
    return results
  }

  private mutating func make<Observer: RunObserver>(
    _ planned: Study.PlannedRun, _ makeObserver: (Study.PlannedRun) -> Observer, _ shouldStop: () -> Bool
  ) throws {
    var run = Run(
      planned.experiment, name: planned.arm.name, title: planned.title, corpus: corpus,
      folder: "\(folder)/\(planned.name)")
    run.device = device
    if let finished = try run.finishedResult {
      models.append(finished)
      return
    }
    var observer = makeObserver(planned)
    let outcome = try run.train(observer: &observer) {
      try requireFolder()
      return shouldStop()
    }
    observer.didEnd()
    failure = outcome.failure
    wasInterrupted = outcome.wasInterrupted
    models.append(outcome.result)
  }

  private var results: StudyResults {
    StudyResults(
      study, corpus: CorpusDescription(corpus, kind: study.corpus.kind), interrupted: wasInterrupted, device: device,
      models: models)
  }

  /// Throws when the folder is gone, or another one has its name.
  private func requireFolder() throws {
    guard lock.isInPlace else {
      throw ExperimentError("\(folder): the run's folder was removed, moved or replaced while the run was at work")
    }
  }
}

extension Study {
  fileprivate var longestSequence: Int { arms.map(\.experiment.sequenceLength).max() ?? 1 }
}
