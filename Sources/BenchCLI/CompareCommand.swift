import ArgumentParser
import Foundation
import NanoData
import NanoModels
import NanoReport
import NanoTensor
import NanoTraining

/// `bench-cli compare`: the study, end to end.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Train models on a text and compare them.")

  @OptionGroup var study: StudyOptions
  @OptionGroup var stories: StoriesOptions
  @OptionGroup var storiesRun: StoriesRunOptions
  @OptionGroup var deviceOption: DeviceOption
  @OptionGroup var keeping: RunOptions

  @Option(
    help: """
      A UTF-8 text file; by default input.txt here, else the built-in corpus. For stories: a file or folder of \
      TinyStories, JSON or text; by default the built-in corpus. Of a resumed run: where its text lies now.
      """)
  var data: String?

  @Option(help: "The folder for results; by default runs/<time>-compare.")
  var out: String?

  @Flag(help: "Print no progress.")
  var quiet = false

  @Flag(help: "Print results.json instead of the table.")
  var json = false

  func validate() throws {
    guard keeping.resume == nil || out == nil else {
      throw ValidationError("--out is for a new run; a resumed one goes on in its folder")
    }
    guard keeping.resume == nil && keeping.initial == nil || storiesRun.tokenizer == nil else {
      throw ValidationError("--tokenizer is for a new run with fresh weights; this one has a tokenizer")
    }
  }

  func run() throws {
    switch try preset() {
    case .characters: try runCharacters()
    case .stories: try runStories()
    }
  }

  /// What is compared: of a resumed run what it was begun with.
  private func preset() throws -> Study {
    let given: Study? = try study.preset.map { _ in
      try study.presetName() == .stories ? .stories : .characters
    }
    guard let resume = keeping.resume else { return given ?? .characters }
    let begun = try RunPlanFile.study(of: resume)
    guard given == nil || given == begun else {
      throw RunError("\(resume): begun with another --preset, for \(begun.rawValue); leave it out to resume")
    }
    return begun
  }

  // MARK: Stories

  private func runStories() throws {
    var hold = try keeping.resume.map(RunHold.init)
    if hold == nil { try OutputFolder.check(folders) }
    let preparation = try storiesRun.prepare(stories, study, keeping, data: data, isQuiet: quiet)
    let device = try deviceOption.resolved(
      precision: preparation.plan.configuration.precision, dropout: preparation.plan.configuration.gptDropout,
      model: preparation.plan.configuration.kimi)
    if let hold {
      try preparation.plan.write(to: hold.path)
    } else {
      hold = try RunHold(try StoriesRunOptions.createFolder(folders, preparation))
    }
    let path = hold!.path
    if let notice = preparation.notice { Terminal.writeError(notice) }
    Interruption.install()
    var session = StoriesSession(
      preparation, hold: hold!, isQuiet: quiet, tableInterval: storiesRun.tableEvery)
    session.device = device
    let results = try session.run()
    if json {
      print(String(decoding: try JSONEncoder.readable.encode(results), as: UTF8.self))
    } else {
      print(StoriesTable.losses(results))
      print()
      print(StoriesTable.text(results))
      print()
      print(StoriesTable.verdict(results))
      print("Results, pictures, samples and models: \(path)")
    }
    try end(session.failure, wasInterrupted: results.interrupted, path)
  }

  private func end(_ failure: TrainingError?, wasInterrupted: Bool, _ path: String) throws {
    if let failure { throw failure }
    if wasInterrupted {
      Terminal.writeError("Go on with: bench-cli compare --resume \(path)")
      throw ExitCode(Interruption.exitStatus)
    }
  }

  // MARK: Characters

  private func runCharacters() throws {
    try stories.requireStories()
    try storiesRun.requireStories()
    var hold = try keeping.resume.map(RunHold.init)
    var notice: String?
    let (plan, corpus, initial) = try characterPlan(&notice)
    let configuration = plan.configuration
    let dataset = try TextDataset(
      tokens: corpus.tokens, contextLength: configuration.contextLength)
    let device = try deviceOption.resolved(precision: configuration.precision)
    let folder: RunFolder
    if let hold {
      try plan.write(to: hold.path)
      folder = try RunFolder(resuming: hold.path) { model in
        RunPlanFile.isFinished(model, in: hold.path)
          ? configuration.iterations : CheckpointFolder("\(hold.path)/\(model)/checkpoints").steps.last ?? 0
      }
    } else {
      folder = try RunFolder(folders, with: [RunPlanFile.name: JSONEncoder.readable.encode(plan)])
      hold = try RunHold(folder.path)
    }
    if !quiet {
      if Build.isDebug {
        Terminal.writeError(
          "This is a debug build, many times slower: a run of \(configuration.iterations) iterations. "
            + "For the real study: swift run -c release bench-cli")
      }
      Terminal.writeError("Text: \(corpus.summary)")
    }
    if let notice { Terminal.writeError(notice) }
    Interruption.install()
    var session = CompareSession(
      plan: plan, corpus: corpus, dataset: dataset, folder: folder, hold: hold!, initial: initial, isQuiet: quiet)
    session.device = device
    let results = try session.run()
    if json {
      print(String(decoding: try JSONEncoder.readable.encode(results), as: UTF8.self))
    } else {
      print(ComparisonTable.text(results))
      print()
      print(ComparisonTable.verdict(results))
      print("Results, pictures, samples and models: \(folder.path)")
    }
    try end(session.failure, wasInterrupted: results.interrupted, folder.path)
  }

  /// What to run on what text: something new, or what is in the folder that is resumed.
  private func characterPlan(
    _ notice: inout String?
  ) throws -> (RunPlan<StudyConfiguration>, Corpus, InitialModel?) {
    let begun = try keeping.resume.map { try RunPlanFile.read(RunPlan<StudyConfiguration>.self, $0) }
    let initial = try keeping.initial.map(InitialModel.init)
    let sizes = try initial.map { try StudyConfiguration(of: $0, preset: study) }
    var configuration = try study.configuration(startingFrom: begun?.configuration ?? sizes)
    assign(keeping.checkpointEvery.map(Optional.some), to: &configuration.checkpointInterval)
    assign(keeping.keep, to: &configuration.keptCheckpoints)
    try configuration.validate()
    if let sizes, sizes.models != configuration.models {
      throw ValidationError("--init has weights for \(sizes.modelNames[0]) alone; leave --models out")
    }
    let location =
      try begun?.data.location(data: data) ?? Corpus.location(data, seed: configuration.seed)
    let vocabulary = begun?.vocabulary ?? initial?.contents.tokenizer as? CharacterTokenizer
    let corpus = try Corpus(location, tokenizer: vocabulary)
    guard let begun, let resume = keeping.resume else {
      let plan = RunPlan(
        study: .characters, configuration: configuration, data: corpus.data, vocabulary: vocabulary,
        initial: try initial?.record)
      return (plan, corpus, initial)
    }
    try begun.data.require(corpus.data, resume)
    var plan = begun
    plan.data = corpus.data
    notice = try plan.goOn(with: configuration, in: resume)
    return (plan, corpus, nil)
  }

  /// Names for the results' folder, of which the first that is free is taken.
  private var folders: [String] {
    if let out { return [out] }
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.dateFormat = "yyyyMMdd-HHmmss"
    let base = "runs/\(format.string(from: Date()))-compare"
    return [base] + (2...100).map { "\(base)-\($0)" }
  }
}
