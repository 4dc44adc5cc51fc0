import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoReport
import NanoTraining

/// Makes the runs of a study in processes of their own, several at once: each has its own memory to measure, and none
/// takes others with it.
struct StudyProcesses {
  let folder: String
  let jobs: Int
  /// Of each run; its bits do not depend on them.
  let threads: Int
  let device: DeviceOption
  let writesEvents: Bool

  /// - Parameter didMake: told of each run that has ended by itself.
  /// - Returns: whether an interruption was asked for, after which the runs have ended with a checkpoint.
  /// - Throws: when a process ends in another way than a run does, and what `didMake` throws.
  func make(_ missing: [Study.PlannedRun], didMake: (Study.PlannedRun) throws -> Void) throws -> Bool {
    var waiting = missing[...]
    var running: [(planned: Study.PlannedRun, process: Process)] = []
    defer {
      for (_, process) in running { process.terminate() }
      for (_, process) in running { process.waitUntilExit() }
    }
    while !(waiting.isEmpty && running.isEmpty), !Interruption.isRequested {
      while running.count < jobs, let planned = waiting.popFirst() { running.append((planned, try start(planned))) }
      guard let index = running.firstIndex(where: { !$0.process.isRunning }) else {
        usleep(20_000)
        continue
      }
      let (planned, process) = running.remove(at: index)
      guard !Interruption.isRequested else { break }
      guard [0, StudyRunCommand.failureStatus].contains(process.terminationStatus), process.terminationReason == .exit
      else {
        throw RunError(
          "\(planned.title): its process ended with status \(process.terminationStatus); the same command goes on with "
            + "what is missing")
      }
      try didMake(planned)
    }
    return Interruption.isRequested
  }

  private func start(_ planned: Study.PlannedRun) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Bundle.main.executablePath ?? CommandLine.arguments[0])
    process.arguments =
      ["study-run", absolutePath(folder), planned.name, "--device", device.device.rawValue]
      + (device.allowsTF32 ? ["--tf32"] : []) + (writesEvents ? ["--tensorboard"] : [])
    process.environment = ProcessInfo.processInfo.environment.merging(["NANO_THREADS": "\(threads)"]) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    return process
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
      var observer = StudyObserver(
        display: RunDisplay(planned, validationTokens: 0, isQuiet: true, tableInterval: nil),
        eventFolder: tensorboard ? "\(folder)/\(planned.name)" : nil)
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
