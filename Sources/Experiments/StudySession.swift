internal import Foundation
public import NanoCommunication
public import NanoData
public import NanoTensor
public import NanoTraining

/// A study that is carried out in a folder, one run after another: begun, or gone on with after any interruption. A run
/// that has reached its end is not made again.
public struct StudySession {
  /// What is carried out.
  public let study: Study
  /// The text that all runs read.
  public let corpus: Corpus
  /// The path of the study's folder, in which every run has one of its own.
  public let folder: String
  /// Where the models are trained and evaluated.
  public var device = Device.cpu
  /// The ranks that share each step of every run.
  public var communicator: any Communicator = SingleRank()
  /// Why a run's training failed, if it did.
  public private(set) var failure: TrainingError?
  private let lock: FolderLock
  /// Whether it was stopped before its end.
  public var wasInterrupted = false
  private var models: [RunResult] = []
  private var failures: [RunFailure] = []

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
    var run = Self.run(planned, of: corpus, in: folder)
    run.device = device
    run.communicator = communicator
    if let finished = try run.finishedResult {
      models.append(finished)
      return
    }
    run.experiment = try Self.experiment(planned, of: study, corpus: corpus, in: folder)
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

  /// Of the runs made or gathered so far.
  public var results: StudyResults {
    StudyResults(
      study, corpus: CorpusDescription(corpus, kind: study.corpus.kind), interrupted: wasInterrupted, device: device,
      models: models, failures: failures)
  }

  /// Throws when the folder is gone, or another one has its name.
  public func requireFolder() throws {
    guard lock.isInPlace else {
      throw ExperimentError("\(folder): the run's folder was removed, moved or replaced while the run was at work")
    }
  }
}

// MARK: Runs in processes of their own

extension StudySession {
  /// Takes in what the runs in the folder have come to.
  /// - Returns: the runs that are missing: neither at their end, nor ended by a failure that would come again.
  public mutating func gather() throws -> [Study.PlannedRun] {
    models = []
    failures = []
    var missing: [Study.PlannedRun] = []
    for planned in study.runs {
      let run = Self.run(planned, of: corpus, in: folder)
      if let result = try run.finishedResult {
        models.append(result)
      } else if let failure = RunFailure.read(from: run.folder) {
        failures.append(failure)
      } else {
        missing.append(planned)
      }
    }
    return missing
  }

  /// Makes one run of a study whose folder another process holds, or waits for the process that is at work on it.
  /// - Throws: a ``RunFailure``, which is kept in the run's folder, where training failed and would again.
  public static func makeRun(
    _ planned: Study.PlannedRun, of study: Study, corpus: Corpus, in folder: String, device: Device,
    sharesDevice: Bool = false, observer: inout some RunObserver, shouldStop: () -> Bool
  ) throws -> Run.Outcome {
    var run = self.run(planned, of: corpus, in: folder)
    run.device = device
    run.sharesDevice = sharesDevice
    try OutputFolder.make(run.folder)
    let lock = FolderLock(run.folder, waits: true)
    defer { withExtendedLifetime(lock) {} }
    if let finished = try run.finishedResult {
      return Run.Outcome(result: finished, wasInterrupted: false, failure: nil)
    }
    run.experiment = try experiment(planned, of: study, corpus: corpus, in: folder)
    let outcome = try run.train(observer: &observer, shouldStop: shouldStop)
    if let failure = outcome.failure.flatMap({ RunFailure($0, of: planned) }) {
      try failure.write(to: run.folder)
      throw failure
    }
    if let failure = outcome.failure { throw failure }
    return outcome
  }

  /// A run's experiment, with weights to begin with where those are another run's.
  private static func experiment(
    _ planned: Study.PlannedRun, of study: Study, corpus: Corpus, in folder: String
  ) throws -> Experiment {
    guard let start = planned.experiment.prunedStart, let source = study.source(of: planned) else {
      return planned.experiment
    }
    let path = "\(folder)/\(source.name)"
    guard try run(source, of: corpus, in: folder).finishedResult != nil else {
      throw ExperimentError("\(planned.title) begins from the end of \(source.title), and \(path) has not reached it")
    }
    try OutputFolder.make("\(folder)/\(planned.name)")
    return try start.applied(
      to: planned.experiment, source: path + "/last", corpus: corpus, folder: "\(folder)/\(planned.name)/initial")
  }

  private static func run(_ planned: Study.PlannedRun, of corpus: Corpus, in folder: String) -> Run {
    Run(
      planned.experiment, name: planned.arm.name, title: planned.title, corpus: corpus,
      folder: "\(folder)/\(planned.name)")
  }
}

extension Study {
  fileprivate var longestSequence: Int { arms.map(\.experiment.sequenceLength).max() ?? 1 }
}
