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

  @Option(
    help: """
      A UTF-8 text file; by default input.txt here, else the built-in corpus. For stories: a file or folder of \
      TinyStories, JSON Lines or text; by default the built-in corpus.
      """)
  var data: String?

  @Option(help: "The folder for results; by default runs/<time>-compare.")
  var out: String?

  @Flag(help: "Print no progress.")
  var quiet = false

  @Flag(help: "Print results.json instead of the table.")
  var json = false

  func validate() throws {
    guard storiesRun.resume == nil || out == nil else {
      throw ValidationError("--out is for a new run; a resumed one goes on in its folder")
    }
  }

  func run() throws {
    switch try storiesRun.resume == nil ? study.presetName() : .stories {
    case .seed, .standard: try runCharacters()
    case .stories: try runStories()
    }
  }

  // MARK: Stories

  private func runStories() throws {
    var plan = try storiesRun.plan(stories, study, data: data, out: folders)
    let (dataset, path) = try storiesRun.dataset(&plan, out: folders, isQuiet: quiet)
    let hold = try RunFolder.hold(path)
    defer { withExtendedLifetime(hold) {} }
    Interruption.install()
    var session = StoriesSession(
      plan: plan, dataset: dataset, path: path, isQuiet: quiet,
      tableInterval: storiesRun.tableEvery)
    session.device = try deviceOption.resolved(
      precision: plan.configuration.precision, dropout: plan.configuration.gptDropout)
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
    if let failure = session.failure { throw failure }
    if results.interrupted {
      Terminal.writeError("Go on with: bench-cli compare --resume \(path)")
      throw ExitCode(Interruption.exitStatus)
    }
  }

  // MARK: Characters

  private func runCharacters() throws {
    try stories.requireStories()
    try storiesRun.requireStories()
    let configuration = try study.configuration()
    let corpus = try Corpus.load(data, seed: configuration.seed)
    let dataset = try TextDataset(
      tokens: corpus.tokens, contextLength: configuration.contextLength)
    let folder = try RunFolder(folders)
    if !quiet {
      if Build.isDebug {
        Terminal.writeError(
          "This is a debug build, many times slower: a run of \(configuration.iterations) iterations. "
            + "For the real study: swift run -c release bench-cli")
      }
      Terminal.writeError("Text: \(corpus.summary)")
    }
    Interruption.install()
    var session = CompareSession(
      configuration: configuration, corpus: corpus, dataset: dataset, folder: folder, isQuiet: quiet
    )
    session.device = try deviceOption.resolved(precision: configuration.precision)
    let results = try session.run()
    if json {
      print(String(decoding: try JSONEncoder.readable.encode(results), as: UTF8.self))
    } else {
      print(ComparisonTable.text(results))
      print()
      print(ComparisonTable.verdict(results))
      print("Results, pictures, samples and models: \(folder.path)")
    }
    if let failure = session.failure { throw failure }
    if results.interrupted { throw ExitCode(Interruption.exitStatus) }
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
