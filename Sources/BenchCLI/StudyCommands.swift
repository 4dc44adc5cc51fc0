import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoReport
import NanoTensor
import NanoTraining

/// `bench-cli ablate`: a study that has a name.
struct AblateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ablate", abstract: "Carry out a named study that takes a claim apart.",
    discussion: CommandConfiguration.examples(
      "ablate factorial --dry-run", "ablate ladder --seeds 3 --iterations 1000",
      note: """
        factorial       NanoGPT, NanoKimi × 3 optimizers × published, tuned settings
        ladder          from NanoGPT to NanoKimi one change at a time, and back
        ladder-stories  the same from NanoGPT2 to NanoKimiK2
        newton-schulz   Muon's iteration, from one step to the exact polar factor
        gating          a mixture's gate: how many experts, softmax or sigmoid
        pruning         a trained mixture without one, two and three of its experts
        muon-family     every Muon rule that has a name, AdamW, Lion and SOAP

        Settings that are given are for all arms. The same command again goes on with the runs that are missing.
        """))

  @Argument(help: ArgumentHelp("The study: \(list(AblationPreset.self)).", valueName: "study"))
  var preset: String

  @OptionGroup var options: PlannedStudyOptions

  func run() throws {
    let preset: AblationPreset = try choose(preset, for: "study")
    try options.run(preset.plan, command: "ablate-\(preset.rawValue)")
  }
}

/// `bench-cli study`: a study from a file.
struct StudyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study", abstract: "Carry out a study of your own: arms, and grids over any settings.",
    discussion: CommandConfiguration.examples(
      "study mine.json --dry-run", "study mine.json --jobs 2 --out runs/mine",
      note: """
        The file is a JSON object: 'arms', a list of objects with a 'name' and any settings under their flags' names; \
        'grid', an object of lists of values, which are combined with each other and with each arm; 'settings' of all \
        arms; 'comparisons', a list of {"arm": …, "against": …}; 'seeds', 'delta', 'preset' and 'name'.
        """))

  @Argument(help: "The study, a JSON file.")
  var file: String

  @OptionGroup var options: PlannedStudyOptions

  func run() throws {
    try options.run(StudyPlan(file: file), command: "study")
  }
}

/// How a study of many runs is carried out.
struct PlannedStudyOptions: ParsableArguments {
  @Option(
    """
    Runs that are made at once, each with the same bits as alone: on the CPU with its share of the threads, on a GPU with \
    a stream of its own
    """, "count", default: "on the CPU so many that the study ends soonest, on a GPU 1")
  var jobs: Int?

  @Flag(help: "Print the arms, their runs and parameters and the time that they will take, and make none.")
  var dryRun = false

  @Option("A difference in the loss that is smaller does not matter: δ", "nats")
  var delta: Double?

  @Option("The folder of a study to go on with", "folder")
  var resume: String?

  @OptionGroup(title: "Tuning") var tuning: TuningOptions
  @OptionGroup(title: "Text") var text: TextOptions
  @OptionGroup(title: "Parts and sizes of models") var models: ModelOptions
  @OptionGroup(title: "Optimizer") var optimizers: OptimizerOptions
  @OptionGroup(title: "Study") var comparison: ComparisonOptions
  @OptionGroup(title: "Step") var steps: StepOptions
  @OptionGroup(title: "Length and schedule") var schedule: ScheduleOptions
  @OptionGroup(title: "Evaluation and samples") var evaluation: EvaluationOptions
  @OptionGroup(title: "Checkpoints and memory") var checkpoints: CheckpointOptions
  @OptionGroup(title: "Device") var deviceOption: DeviceOption
  @OptionGroup(title: "Output") var output: OutputOptions

  func validate() throws {
    guard jobs == nil || Ranks.count == 1 else {
      throw ValidationError("each of the \(Ranks.count) ranks makes one run at a time; leave --jobs out")
    }
    guard (1...256).contains(jobs ?? 1) else {
      throw ValidationError("jobs is \(jobs!); it must be from 1 to 256")
    }
    if let delta, !(delta > 0 && delta.isFinite) {
      throw ValidationError("delta is \(delta); it must be a positive number")
    }
    guard resume == nil || output.out == nil else {
      throw ValidationError("--out is for a new study; a resumed one goes on in its folder")
    }
  }

  private var flags: [GivenFlag] {
    comparison.givenFlags + models.givenFlags + optimizers.givenFlags + steps.givenFlags + schedule.givenFlags
      + evaluation.givenFlags + checkpoints.givenFlags
  }

  private var runner: StudyRunner { StudyRunner(output: output, device: deviceOption) }

  func run(_ plan: StudyPlan, command: String) throws {
    if let resume { return try goOn(LatestRun.resolved(resume), of: plan) }
    var plan = plan
    plan.margin = delta ?? plan.margin
    if plan.hasPublishedArms { try requireNoRates() }
    let seeds = try self.seeds(plan)
    let settings = flags.filter { !["seed", "seeds"].contains($0.name) }
    let recipe = try text.recipe(for: plan.preset)
    // Once before the text is read, so that what cannot be is refused at once.
    try plan.study(flags: settings, seeds: seeds, corpus: recipe).validate()
    let corpus = try runner.makeCorpus(recipe)
    let study = try plan.study(
      flags: settings, seeds: seeds, corpus: recipe.bound(to: corpus.record),
      vocabulary: corpus.tokenizer.vocabularySize)
    try study.validate()
    if dryRun { return try printPlan(study, corpus) }
    let folders = output.folders(command)
    try begin(tuning.tune == nil ? study : tuned(study, folders[0] + "-tuning"), corpus, folders)
  }

  /// With the settings that a search finds, in a study of its own beside this one's folder.
  private func tuned(_ study: Study, _ folder: String) throws -> Study {
    let tuning = StudyTuning(options: tuning, study: study, folder: folder)
    return try tuning.tuned { trials, folder in
      let corpus = try trials.corpus.makeCorpus()
      var session: StudySession
      if FileManager.default.fileExists(atPath: folder + "/run.json") {
        let hold = try OutputFolder.hold(folder)
        try Study(resuming: folder).requireSameSearch(as: trials, in: folder)
        session = try StudySession(resuming: trials, corpus: corpus, folder: folder, hold: hold)
      } else {
        session = try StudySession(beginning: trials, corpus: corpus, folders: [folder])
      }
      return try make(&session)
    }
  }

  /// Begins a study, or goes on with the same one where its folder is there.
  private func begin(_ study: Study, _ corpus: Corpus, _ folders: [String]) throws {
    if let folder = output.out, FileManager.default.fileExists(atPath: folder + "/run.json") {
      let hold = try OutputFolder.hold(folder)
      var begun = try Study(resuming: folder)
      // Made longer, the runs there would be none of this study: their rates have decayed already.
      guard begun.iterations == study.iterations else {
        throw RunError(
          "\(folder): the study there has runs of \(begun.iterations) iterations, not \(study.iterations); choose another "
            + "--out")
      }
      if let notice = try begun.goOn(with: study, in: folder) { Terminal.writeError(notice) }
      return try carryOut(StudySession(resuming: begun, corpus: corpus, folder: folder, hold: hold))
    }
    try carryOut(StudySession(beginning: study, corpus: corpus, folders: folders))
  }

  private func goOn(_ folder: String, of plan: StudyPlan) throws {
    if let flag = (flags + text.givenFlags.filter { $0.name != "data" }).first {
      throw ValidationError("--\(flag.name) is for a new study; leave it out to resume")
    }
    let hold = try OutputFolder.hold(folder)
    var study = try Study(resuming: folder)
    guard study.arms.map(\.name) == plan.arms.map(\.text.name) else {
      throw RunError("\(folder): holds the study \(study.name), whose arms are not those of \(plan.name)")
    }
    study.margin = delta ?? study.margin
    if let data = text.data { study.corpus.path = absolutePath(data) }
    let corpus = try runner.makeCorpus(StudySession.corpusRecipe(of: study, in: folder))
    try carryOut(StudySession(resuming: study, corpus: corpus, folder: folder, hold: hold))
  }

  // MARK: What is asked for

  private func seeds(_ plan: StudyPlan) throws -> [UInt64] {
    guard steps.seed == nil || comparison.seeds == nil else {
      throw ValidationError("give --seed or --seeds, not both")
    }
    if let seed = steps.seed { return [seed] }
    return try SeedList(comparison.seeds ?? plan.seeds ?? "3").seeds
  }

  /// Throws for a flag that would change arms that stand for published settings.
  private func requireNoRates() throws {
    let published = optimizers.givenFlags + schedule.givenFlags.filter { $0.name != "iterations" }
    guard let flag = published.first else { return }
    throw ValidationError(
      "--\(flag.name) would change the arms that stand for published settings; leave it out, or describe arms of your own "
        + "for bench-cli study")
  }

  // MARK: Carrying out

  /// How many of some runs this process makes at once.
  private func atOnce(_ runs: [Study.PlannedRun], on device: Device) -> Int {
    if let jobs { return jobs }
    return Ranks.count > 1 || !device.isCPU
      ? 1 : StudySchedule(runs).runsAtOnce(on: WorkerPool.shared.threadCount)
  }

  /// Threads of each of so many runs.
  private func threads(of count: Int) -> Int { max(1, WorkerPool.shared.threadCount / count) }

  private func counts(_ study: Study) -> String {
    func several(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }
    let (arms, seeds) = (several(study.arms.count, "arm"), several(study.seeds.count, "seed"))
    return "\(arms) × \(seeds) = \(several(study.runs.count, "run"))"
  }

  private func printPlan(_ study: Study, _ corpus: Corpus) throws {
    let device = try runner.device(of: study)
    let atOnce = atOnce(study.runs, on: device)
    let threads = threads(of: atOnce)
    let pool = WorkerPool(threadCount: threads)
    let searched = Set(StudyTuning(options: tuning, study: study, folder: "").searchedArms.map(\.name))
    var (total, trialSeconds) = (0.0, 0.0)
    print(counts(study))
    Terminal.printProse("Seeds: \(study.seeds.map(String.init).joined(separator: ", "))\n")
    for arm in study.arms {
      let estimate = try RunEstimate(arm.experiment, corpus: corpus, device: device, pool: pool)
      total += estimate.seconds * Double(study.seeds.count)
      if searched.contains(arm.name) { trialSeconds += estimate.seconds * tuning.share * Double(tuning.trials) }
      Terminal.printProse(
        "\(arm.title)\n  \(grouped(arm.experiment.iterations)) iterations, \(grouped(estimate.parameters)) parameters, about "
          + "\(duration(estimate.seconds)) a run\n  "
          + RoutingTable(of: try arm.experiment.makeModel(), arm.experiment.optimizer).summary.joined(separator: "\n  ")
      )
    }
    if tuning.tune != nil {
      total += trialSeconds
      Terminal.printProse(
        "\nBefore them \(tuning.trials) trials of each of \(searched.count) arms, of \(Int(tuning.share * 100))% of a run's "
          + "length: about \(duration(trialSeconds)) one after another")
    }
    let basis = "by twelve steps of every arm on this machine as busy as it is."
    Terminal.printProse(
      device.isCPU
        ? "\nAbout \(duration(total / Double(atOnce * Ranks.count))) in all, \(atOnce * Ranks.count) at once on \(threads) "
          + "\(threads == 1 ? "thread" : "threads") each, \(basis)"
        : "\nAbout \(duration(total)) in all if made one after another, \(basis)")
  }

  /// Makes the runs that are missing.
  /// - Throws: when it is interrupted.
  private func make(_ session: inout StudySession) throws -> StudyResults {
    session.device = try runner.device(of: session.study)
    let missing = try session.gather()
    let count = session.study.runs.count
    Interruption.install()
    if !output.quiet {
      Terminal.writeError(
        "\(session.study.name): \(counts(session.study)), \(count - missing.count) of them done before")
    }
    let maker = maker(of: missing, session)
    let watch = Stopwatch()
    var made = 0
    try session.report(isOver: false)
    func didMake(_ planned: Study.PlannedRun) throws {
      try session.requireFolder()
      let left = try session.gather().count
      made += 1
      if !output.quiet {
        let rest = left > 0 ? "; about \(duration(watch.seconds / Double(made) * Double(left))) left" : ""
        Terminal.writeError("\(count - left)/\(count)  \(planned.title): \(session.outcome(of: planned))\(rest)")
      }
      try session.report(isOver: false)
    }
    // What begins from another run's end comes after all others.
    let (first, second) = (
      missing.filter { $0.experiment.prunedStart == nil }, missing.filter { $0.experiment.prunedStart != nil }
    )
    var wasStopped = try maker.make(first, didMake: didMake)
    if !wasStopped, !second.isEmpty { wasStopped = try maker.make(second, didMake: didMake) }
    _ = try session.gather()
    let results = try session.report(interrupted: wasStopped, isOver: true)
    if wasStopped {
      Terminal.writeError("Go on with the same command" + (resume == nil ? " and --out" : "") + ": \(session.folder)")
      throw ExitCode(Interruption.exitStatus)
    }
    return results
  }

  /// Who makes several runs at once: processes on the CPU and of several ranks, threads on a GPU.
  private func maker(of missing: [Study.PlannedRun], _ session: borrowing StudySession) -> any RunMaker {
    let jobs = atOnce(missing, on: session.device)
    return session.device.isCPU || Ranks.count > 1
      ? StudyProcesses(
        folder: session.folder, jobs: jobs, threads: threads(of: jobs), device: deviceOption,
        writesEvents: output.tensorboard)
      : StudyThreads(
        study: session.study, corpus: session.corpus, folder: session.folder, jobs: jobs, device: session.device,
        writesEvents: output.tensorboard)
  }

  private func carryOut(_ session: consuming StudySession) throws {
    var session = session
    LatestRun.point(to: session.folder)
    if !output.quiet {
      Terminal.writeError(CorpusDescription(session.corpus, kind: session.study.corpus.kind).summary)
    }
    let results = try make(&session)
    if output.json {
      print(String(decoding: try JSONEncoder.readable.encode(results), as: UTF8.self))
    } else {
      Terminal.printProse(StudySummary.text(results, width: Terminal.outputColumns))
      for caution in results.cautions { Terminal.printProse(caution) }
      Terminal.printProse("Results, tables and runs: \(session.folder)")
    }
    if let failure = results.failures?.first {
      throw RunError(
        "training failed in \(results.failures!.count) of \(session.study.runs.count) runs, the first of them "
          + "\(failure); the others are in \(session.folder)")
    }
  }
}

/// So much time, as people say it.
private func duration(_ seconds: Double) -> String {
  seconds < 100
    ? String(format: "%.0f s", seconds)
    : seconds < 6000 ? String(format: "%.0f min", seconds / 60) : String(format: "%.1f h", seconds / 3600)
}
