import Foundation
import NanoCommunication
import NanoExperiments
import NanoTensor

/// The runs of a study that other ranks make, one each at a time: rank 0 names a run, the other answers with the status
/// that its process ended with. All see the study's folder.
struct StudyRanks: ~Copyable {
  private enum Message: Codable {
    /// A run, by the arguments of its process.
    case make([String])
    /// End the run that is under way; nothing to one that has ended meanwhile.
    case stop
    case end
  }

  private let communicator = Ranks.communicator
  private var idle = Array(1..<Ranks.count)
  private var running: [(rank: Int, planned: Study.PlannedRun)] = []

  /// Has the others wait for runs.
  init() {
    if communicator.rankCount > 1 { communicator.broadcast(encoding: RankTask.makeRuns) }
  }

  var isEmpty: Bool { running.isEmpty }

  /// Gives runs to all that have none.
  mutating func start(_ waiting: inout ArraySlice<Study.PlannedRun>, _ processes: StudyProcesses) {
    while !idle.isEmpty, let planned = waiting.popFirst() {
      let rank = idle.removeFirst()
      communicator.send(encoding: Message.make(processes.arguments(of: planned)), to: rank)
      running.append((rank, planned))
    }
  }

  /// A run that has ended, and its process's status.
  mutating func ended() -> (planned: Study.PlannedRun, status: Int32)? {
    guard let index = running.firstIndex(where: { communicator.hasMessage(from: $0.rank) }) else { return nil }
    let (rank, planned) = running.remove(at: index)
    idle.append(rank)
    return (planned, communicator.receive(decoding: Int32.self, from: rank))
  }

  /// Stops what is under way, which then has a checkpoint, and lets the others go.
  deinit {
    for (rank, _) in running { communicator.send(encoding: Message.stop, to: rank) }
    for (rank, _) in running { _ = communicator.receive(decoding: Int32.self, from: rank) }
    for rank in 1..<communicator.rankCount { communicator.send(encoding: Message.end, to: rank) }
  }

  // MARK: The others' side

  /// Makes the runs that rank 0 names, until it names none.
  static func serve(_ communicator: any Communicator) throws {
    while true {
      switch communicator.receive(decoding: Message.self, from: 0) {
      case .make(let arguments): communicator.send(encoding: try status(of: arguments, communicator), to: 0)
      case .stop: break
      case .end: return
      }
    }
  }

  /// What the process of a run ends with.
  private static func status(of arguments: [String], _ communicator: any Communicator) throws -> Int32 {
    let process = try StudyProcesses.start(arguments, threads: WorkerPool.shared.threadCount)
    while process.isRunning {
      if communicator.hasMessage(from: 0), case .stop = communicator.receive(decoding: Message.self, from: 0) {
        process.terminate()
        process.waitUntilExit()
      }
      usleep(20_000)
    }
    return StudyProcesses.status(of: process)
  }
}
