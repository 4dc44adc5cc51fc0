import Foundation
import NanoData
import NanoExperiments
import NanoTensor
import NanoTraining
import Synchronization

/// Makes the runs of a study on one GPU, each on a thread and a stream of its own: processes would take turns on the
/// device, the streams of one process share it.
struct StudyThreads: RunMaker {
  let study: Study
  let corpus: Corpus
  let folder: String
  let jobs: Int
  let device: Device
  let writesEvents: Bool

  func make(_ missing: [Study.PlannedRun], didMake: (Study.PlannedRun) throws -> Void) throws -> Bool {
    let queue = RunQueue(missing)
    // Once before any work: a stream that cannot be had is said at once.
    let devices = try (0..<min(jobs, missing.count)).map { try $0 == 0 ? device : device.onNewStream() }
    for device in devices {
      queue.addWorker()
      Thread.detachNewThread {
        while let planned = queue.next() {
          queue.finish(planned, Result { try make(planned, on: device, shouldStop: { queue.isOver }) })
        }
        queue.removeWorker()
      }
    }
    defer {
      queue.end()
      while queue.nextResult() != nil {}
    }
    while let (planned, wasInterrupted) = queue.nextResult() {
      if try wasInterrupted.get() { break }
      try didMake(planned)
    }
    return Interruption.isRequested
  }

  /// - Returns: whether the run was interrupted.
  private func make(_ planned: Study.PlannedRun, on device: Device, shouldStop: () -> Bool) throws -> Bool {
    var observer = StudyObserver(quietlyWatching: planned, in: folder, writesEvents: writesEvents)
    do {
      return try StudySession.makeRun(
        planned, of: study, corpus: corpus, in: folder, device: device, sharesDevice: jobs > 1, observer: &observer,
        shouldStop: shouldStop
      ).wasInterrupted
    } catch is RunFailure {
      // It is kept in the run's folder, where the study finds it.
      return false
    }
  }
}

/// Runs that threads take and the results that they bring back.
private final class RunQueue: @unchecked Sendable {
  /// Whether a run was interrupted, or what ended it.
  typealias Outcome = Result<Bool, any Error>

  private let condition = NSCondition()
  private var waiting: ArraySlice<Study.PlannedRun>
  private var finished: [(Study.PlannedRun, Outcome)] = []
  private var workers = 0
  private let hasEnded = Atomic(false)

  init(_ runs: [Study.PlannedRun]) { waiting = runs[...] }

  private func locked<Value>(_ body: () -> Value) -> Value {
    condition.lock()
    defer {
      condition.broadcast()
      condition.unlock()
    }
    return body()
  }

  func addWorker() { locked { workers += 1 } }

  func removeWorker() { locked { workers -= 1 } }

  /// A run that nobody makes yet; nil when there is none, or none is wanted any more.
  func next() -> Study.PlannedRun? { locked { isOver ? nil : waiting.popFirst() } }

  func finish(_ planned: Study.PlannedRun, _ outcome: Outcome) { locked { finished.append((planned, outcome)) } }

  /// Asks the runs at work to end.
  func end() { hasEnded.store(true, ordering: .relaxed) }

  var isOver: Bool { Interruption.isRequested || hasEnded.load(ordering: .relaxed) }

  /// The next result, once there is one; nil when all threads are done.
  func nextResult() -> (Study.PlannedRun, Outcome)? {
    condition.lock()
    defer { condition.unlock() }
    while finished.isEmpty, workers > 0 { condition.wait() }
    return finished.isEmpty ? nil : finished.removeFirst()
  }
}
