import ArgumentParser
import Foundation
import NanoCommunication
import NanoData
import NanoExperiments
import NanoModels
import NanoReport
import NanoTraining

/// Makes runs of a study, several at once.
protocol RunMaker {
  /// - Parameter didMake: told of each run that has ended by itself.
  /// - Returns: whether an interruption was asked for, after which the runs have ended with a checkpoint.
  /// - Throws: what ended a run in another way than training does, and what `didMake` throws.
  func make(_ missing: [Study.PlannedRun], didMake: (Study.PlannedRun) throws -> Void) throws -> Bool
}

/// Makes the runs of a study in processes of their own: each has its own memory to measure, and none takes others with it.
struct StudyProcesses: RunMaker {
  let folder: String
  let jobs: Int
  /// Of each run; its bits do not depend on them.
  let threads: Int
  let device: DeviceOption
  let writesEvents: Bool

  func make(_ missing: [Study.PlannedRun], didMake: (Study.PlannedRun) throws -> Void) throws -> Bool {
    var waiting = (jobs > 1 || Ranks.count > 1 ? missing.longestFirst : missing)[...]
    var running: [(planned: Study.PlannedRun, process: Process)] = []
    var others = StudyRanks()
    defer {
      for (_, process) in running { process.terminate() }
      for (_, process) in running { process.waitUntilExit() }
    }
    func startRuns() throws {
      while running.count < jobs, let planned = waiting.popFirst() {
        running.append((planned, try Self.start(arguments(of: planned), threads: threads)))
      }
      others.start(&waiting, self)
    }
    try startRuns()
    while !(running.isEmpty && others.isEmpty), !Interruption.isRequested {
      let planned: Study.PlannedRun
      let status: Int32
      if let index = running.firstIndex(where: { !$0.process.isRunning }) {
        let ended = running.remove(at: index)
        (planned, status) = (ended.planned, Self.status(of: ended.process))
      } else if let ended = others.ended() {
        (planned, status) = ended
      } else {
        usleep(20_000)
        continue
      }
      guard !Interruption.isRequested else { break }
      guard [0, StudyRunCommand.failureStatus].contains(status) else {
        throw RunError(
          "\(planned.title): its process ended with status \(status); the same command goes on with what is missing")
      }
      // First the next run, which need not wait for the report.
      try startRuns()
      try didMake(planned)
    }
    return Interruption.isRequested
  }

  /// Of the process that makes a run.
  func arguments(of planned: Study.PlannedRun) -> [String] {
    ["study-run", absolutePath(folder), planned.name, "--device", device.device.rawValue]
      + (device.allowsTF32 ? ["--tf32"] : []) + (writesEvents ? ["--tensorboard"] : [])
  }

  static func start(_ arguments: [String], threads: Int) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Bundle.main.executablePath ?? CommandLine.arguments[0])
    process.arguments = arguments
    process.environment = Launcher.environmentWithoutIt.merging(["NANO_THREADS": "\(threads)"]) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// As a shell has it: of a process that a signal ended, 128 and its number.
  static func status(of process: Process) -> Int32 {
    process.terminationStatus + (process.terminationReason == .exit ? 0 : 128)
  }
}

/// `bench-cli study-run`: one run of a study, for the command that carries the study out.
struct StudyRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study-run", abstract: "Make one run of a study that is being carried out.", shouldDisplay: false)

  /// Training failed, and would again.
  static let failureStatus: Int32 = 3

  @Argument(help: "The study's folder.") var folder: String
  @Argument(help: "The run's name.") var name: String
  @Flag(help: "Write TensorBoard's event files beside the run's metrics.csv.") var tensorboard = false
  @OptionGroup var deviceOption: DeviceOption

  func run() throws {
    let parent = getppid()
    let study = try Study(resuming: folder)
    let corpus = try StudySession.corpusRecipe(of: study, in: folder).makeCorpus()
    let output = try OutputOptions.parse(["--quiet"])
    let device = try StudyRunner(output: output, device: deviceOption).device(of: study)
    Interruption.install()
    do {
      guard let planned = study.runs.first(where: { $0.name == name }) else {
        throw RunError("\(folder): the study there has no run '\(name)'")
      }
      var observer = StudyObserver(quietlyWatching: planned, in: folder, writesEvents: tensorboard)
      // Whoever carries the study out may be killed: then nobody waits for this run, and another may begin it again.
      let outcome = try StudySession.makeRun(
        planned, of: study, corpus: corpus, in: folder, device: device, observer: &observer,
        shouldStop: { Interruption.isRequested || getppid() != parent })
      if outcome.wasInterrupted { throw ExitCode(Interruption.exitStatus) }
    } catch is RunFailure {
      throw ExitCode(Self.failureStatus)
    }
  }
}

extension StudySession {
  /// What became of a run, in a few words.
  func outcome(of planned: Study.PlannedRun) -> String {
    let experiment = planned.experiment
    func isMeant(_ name: String, _ seed: UInt64) -> Bool { name == planned.arm.name && seed == experiment.seed }
    if let result = results.models.first(where: { isMeant($0.name, $0.seed) }) {
      return String(format: "%.4f, %.0f s", result.score(of: experiment), result.seconds)
    }
    return results.failures?.first { isMeant($0.name, $0.seed) }?.message ?? "nothing yet"
  }

  /// Writes what was gathered to the study's folder.
  /// - Parameter isOver: whether no run is to come.
  @discardableResult
  mutating func report(interrupted: Bool = false, isOver: Bool) throws -> StudyResults {
    self.wasInterrupted = interrupted
    let results = results
    let ended = results.models.count + (results.failures?.count ?? 0)
    try StudySummary.write(results, to: folder)
    try StudyReport.writePage(
      results, progress: isOver ? nil : StudyProgress(nil, endedRuns: ended, of: study.runs.count), to: folder)
    return results
  }
}
