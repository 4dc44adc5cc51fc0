import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoReport
import NanoTraining

/// `bench-cli race`: the time until a small model scores as low as the published NanoKimi.
struct RaceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "race",
    abstract: "Train until a target loss, as fast as possible, and tell how long the published NanoKimi takes.",
    discussion: CommandConfiguration.examples(
      "race", "race --seeds 1 --published",
      note: """
        The recipe, whose stop step is fixed beforehand, is run with several seeds. Steps are timed; after the last one \
        all of the validation text is scored.
        """))

  @Option("The loss to reach on all of the validation text, in nats a character", "nats")
  var target = Race.publishedLoss

  @Option("\(SeedList.help)", "numbers")
  var seeds = "3"

  @Option("Where a run ends", "count", default: "the recipe's stop step")
  var steps: Int?

  @Flag(help: "Run the published NanoKimi too, to its end: minutes.")
  var published = false

  @Option("A UTF-8 text file", "path", default: "input.txt here, else the built-in corpus")
  var data: String?

  @Option("The folder for results", "folder", default: "a new one in runs")
  var out: String?

  @Flag(help: "Print no progress.")
  var quiet = false

  @Flag(help: "Print race.json instead of the table.")
  var json = false

  func validate() throws {
    guard target.isFinite, target > 0 else {
      throw ValidationError("target is \(target); it must be a positive number")
    }
    _ = try SeedList(seeds)
    guard (1...1_000_000).contains(steps ?? 1) else {
      throw ValidationError("steps is \(steps!); it must be from 1 to 1000000")
    }
  }

  func run() throws {
    var output = OutputOptions()
    (output.out, output.tableEvery, output.quiet, output.json) = (out, nil, quiet, json)
    let folders = output.folders("race")
    try OutputFolder.check(folders)
    let here = FileManager.default.fileExists(atPath: "input.txt") ? "input.txt" : nil
    let recipe = CorpusRecipe(.characters, path: data ?? here)
    let corpus = try recipe.makeCorpus()
    let bound = recipe.bound(to: corpus.record)
    let vocabulary = corpus.tokenizer.vocabularySize
    Interruption.install()

    let folder = try OutputFolder.create(folders) { _ in }
    func results(
      _ experiment: Experiment, _ name: String, _ title: String, seeds: [UInt64]
    ) throws -> [RunResult] {
      var experiment = experiment
      experiment.corpus = bound
      let study = Study(name: name, arms: [Arm(name: name, title: title, experiment: experiment)], seeds: seeds)
      try study.validate()
      var session = try StudySession(beginning: study, corpus: corpus, folders: ["\(folder)/\(name)"])
      session.communicator = Ranks.communicator
      let path = session.folder
      let results = try session.run(
        observer: {
          RunDisplay($0, validationTokens: corpus.validation.count, isQuiet: quiet, tableInterval: nil)
        },
        shouldStop: { Interruption.isRequested }, report: { try StudyReport.write($0, to: path) })
      if let failure = session.failure { throw failure }
      if results.interrupted { throw ExitCode(Interruption.exitStatus) }
      return results.models
    }
    let finishes = try results(
      Race.experiment(vocabularySize: vocabulary, steps: steps), "race", "NanoBest",
      seeds: SeedList(seeds).seeds)
    let reference =
      published
      ? try results(Race.published(vocabularySize: vocabulary), "published", "NanoKimi as published", seeds: [1337])
      : []
    let outcome = Race.Outcome(
      target: target, finishes: finishes.map(Race.Finish.init), published: reference.first.map(Race.Published.init))
    let encoded = try JSONEncoder.readable.encode(outcome)
    try AtomicFile.write(encoded, to: folder + "/race.json")
    if json { return print(String(decoding: encoded, as: UTF8.self)) }
    print(RaceTable.text(outcome) + (published ? "" : " With --published it is."))
    Terminal.printProse("Results and models: \(folder)")
  }
}
