internal import NanoModels
internal import NanoTensor

/// How many runs of a study are made at once on the CPU, each on its share of the threads.
///
/// Threads that share a run wait for each other in every step; runs side by side do not. So the more at once the better,
/// as long as all threads have work to the end and all runs fit the memory.
package struct StudySchedule {
  /// What each run computes, in any unit.
  let work: [Double]
  /// Threads that a run can use.
  let mostThreads: Int
  /// As many runs fit the memory.
  let most: Int

  package init(work: [Double], mostThreads: Int, most: Int = .max) {
    self.work = work
    self.mostThreads = mostThreads
    self.most = most
  }

  /// Of a run's time on one thread, what others cannot take from it: two threads made the published study 1.95 times as
  /// fast.
  private static let serialShare = 0.025

  /// How many times as fast so many threads make a run.
  private func speed(on threads: Int) -> Double {
    1 / (Self.serialShare + (1 - Self.serialShare) / Double(min(threads, mostThreads)))
  }

  /// The time until the last run ends when so many are made at once, the longest first.
  private func time(_ count: Int, on threads: Int) -> Double {
    var loads = [Double](repeating: 0, count: count)
    for work in work.sorted(by: >) { loads[loads.indices.min { loads[$0] < loads[$1] }!] += work }
    return loads.max()! / speed(on: threads / count)
  }

  /// The number of runs at once with which the study ends soonest on so many threads.
  package func runsAtOnce(on threads: Int) -> Int {
    (1...max(1, min(threads, work.count, most))).min { time($0, on: threads) < time($1, on: threads) }!
  }
}

extension StudySchedule {
  package init(_ runs: [Study.PlannedRun]) {
    let bytes = runs.map(\.memory).max() ?? 1
    self.init(
      work: runs.map(\.work), mostThreads: runs.map(\.experiment.shardCount).max() ?? 1,
      most: (MemoryPool.shared.systemLimit ?? .max) / bytes)
  }
}

extension Study.PlannedRun {
  /// Multiplications, but for a factor that all runs have, and for evaluations that pass over a text.
  fileprivate var work: Double {
    var forwards = 0.0
    if case .randomWindows(let batches, let splits) = experiment.evaluation {
      forwards = Double((experiment.iterations / experiment.evaluationInterval + 2) * batches * splits.count)
    }
    // A forward is a third of a step.
    let steps = Double(experiment.iterations) + forwards / 3
    return steps * Double(experiment.tokensPerStep) * Double(experiment.model.activeParameterCount)
  }

  /// More bytes than the run takes: those of its process, of weights, gradients and states of optimizers, and of
  /// activations.
  fileprivate var memory: Int {
    let model = experiment.model
    return 64 << 20 + 64 * model.activeParameterCount + 128 * experiment.tokensPerStep * model.layerCount * model.width
  }
}

extension [Study.PlannedRun] {
  /// In the order in which they keep several processes busy to the end.
  package var longestFirst: [Study.PlannedRun] {
    enumerated().sorted { ($0.element.work, $1.offset) > ($1.element.work, $0.offset) }.map(\.element)
  }
}
