public import NanoExperiments
internal import NanoTraining

/// Whether the runs of a study made all the iterations that they were to make; else nobody has won.
public struct Completeness: Sendable {
  /// What each run made, where that was not all.
  public let caution: String?

  /// What the iterations in a study's results, ended or on its way, come to.
  public init(_ results: StudyResults) {
    let made = results.study.runs.map { planned in
      (
        planned,
        iterations: results.models.first {
          $0.name == planned.arm.name && $0.seed == planned.experiment.seed
        }?.completedIterations ?? 0
      )
    }
    guard results.interrupted || made.contains(where: { $0.iterations < $0.0.experiment.iterations }) else {
      caution = nil
      return
    }
    let parts = made.map { "\($0.0.title) made \(grouped($0.iterations))" }
    caution =
      "\(results.interrupted ? "Interrupted" : "Ended early"): \(parts.joined(separator: ", ")) of "
      + "\(grouped(results.iterations)) iterations"
  }
}

extension StudyResults {
  /// Runs that were evaluated after their first step. All that is known of others is what weights score that are not trained.
  public var evaluatedModels: [RunResult] {
    iterations == 0 ? models : models.filter { $0.curve.contains { $0.step > 0 } }
  }
}
