import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoLayers
import NanoModels
import NanoReport
import NanoTensor
import NanoTraining

/// How a study's runs are shown.
struct OutputOptions: ParsableArguments {
  @Option("The folder for results", "folder", default: "a new one in runs, which runs/latest then links to")
  var out: String?

  @Option("Steps from one line of the loss table to the next", "steps", default: "no table")
  var tableEvery: Int?

  @Flag(help: "Print no progress.")
  var quiet = false

  @Flag(help: "Print results.json instead of the table.")
  var json = false

  @Flag(help: "Write TensorBoard's event files beside each run's metrics.csv.")
  var tensorboard = false

  func validate() throws {
    guard tableEvery ?? 1 >= 1 else {
      throw ValidationError("table-every is \(tableEvery!); it must be at least 1")
    }
    guard tableEvery == nil || !quiet else {
      throw ValidationError("--table-every has no effect beside --quiet; leave one of them out")
    }
  }

  /// Names for the results' folder, of which the first that is free is taken.
  func folders(_ command: String) -> [String] {
    if let out { return [out] }
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.dateFormat = "yyyyMMdd-HHmmss"
    let base = "runs/\(format.string(from: Date()))-\(command)"
    return [base] + (2...100).map { "\(base)-\($0)" }
  }
}

/// Carries out a study for a command: prepares its text, makes its runs, prints what they came to.
struct StudyRunner {
  let output: OutputOptions
  let device: DeviceOption

  /// Reads the text, telling how far that is.
  func makeCorpus(_ recipe: CorpusRecipe) throws -> Corpus {
    let isShown = !output.quiet && Terminal.redraws
    let corpus = try recipe.makeCorpus { stage, share in
      if isShown { Terminal.show(stage, share) }
    }
    if isShown { Terminal.rewriteLine("") }
    return corpus
  }

  /// Where the study's runs are made.
  /// - Throws: what is missing, or what is not computed there.
  func device(of study: Study) throws -> Device {
    let experiments = study.arms.map(\.experiment)
    return try device.resolved(
      precision: experiments[0].precision, dropout: experiments.map(\.dropout).max() ?? 0,
      model: experiments.lazy.map(\.model).first { $0.sparseMoE?.groups != nil })
  }

  func run(_ session: consuming StudySession, on device: Device) throws {
    guard Ranks.count == 1 || device.isCPU else {
      throw ValidationError("the \(Ranks.count) ranks of a run compute on CPUs; add --device cpu")
    }
    var session = session
    session.device = device
    session.communicator = Ranks.communicator
    if !output.quiet {
      Terminal.writeError(CorpusDescription(session.corpus, kind: session.study.corpus.kind).summary)
    }
    if !output.quiet, let notice = Ranks.notice(of: session.study.arms[0].experiment) { Terminal.writeError(notice) }
    if !output.quiet, Build.isDebug {
      Terminal.writeError(
        "This is a debug build, many times slower: a run of \(session.study.iterations) iterations. "
          + "For the real study: swift run -c release bench-cli")
    }
    Interruption.install()
    LatestRun.point(to: session.folder)
    let (path, output, validationTokens) = (session.folder, output, session.corpus.validation.count)
    let report = LiveReport(session.results, folder: path)
    let results: StudyResults
    do {
      results = try session.run(
        observer: {
          StudyObserver(
            display: RunDisplay(
              $0, validationTokens: validationTokens, isQuiet: output.quiet, tableInterval: output.tableEvery),
            report: report, eventFolder: output.tensorboard ? "\(path)/\($0.name)" : nil)
        },
        shouldStop: { Interruption.isRequested }, report: report.didEnd)
      try report.close()
    } catch {
      try? report.close()
      throw error
    }
    if output.json {
      print(String(decoding: try JSONEncoder.readable.encode(results), as: UTF8.self))
    } else {
      let columns = Terminal.outputColumns
      if results.corpus.kind == .stories { printTable(StudyTable.losses(results, width: columns)) }
      printTable(StudyTable.text(results, width: columns))
      Terminal.printProse(Verdict.text(results))
      let width = min(78, (columns ?? 80) - 2)
      print(SampleDocument.excerpts(of: sources(of: results, in: path), width: max(20, width)))
      for caution in results.cautions { Terminal.printProse(caution) }
      Terminal.printProse("Results, pictures, samples and models: \(path)")
    }
    if let failure = session.failure { throw failure }
    if results.interrupted {
      Terminal.writeError("Go on with: bench-cli compare --resume \(path)")
      throw ExitCode(Interruption.exitStatus)
    }
  }

  private func printTable(_ table: String) {
    if !table.isEmpty { print(table + "\n") }
  }

  /// One run of every arm, with its folder; without arms of which nothing but the start is known.
  private func sources(of results: StudyResults, in folder: String) -> [SampleDocument.Source] {
    results.study.runs.prefix(results.study.arms.count).filter { planned in
      results.evaluatedModels.contains { $0.name == planned.arm.name && $0.seed == planned.experiment.seed }
    }.map { ($0.title, "\(folder)/\($0.name)") }
  }
}
