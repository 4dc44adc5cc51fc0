public import NanoTraining

/// Whether the models of a comparison made all the iterations that they were to make; else nobody has won.
public struct Completeness: Sendable {
  /// What each model made, where that was not all.
  public let caution: String?

  public init(_ results: StudyResults) {
    self.init(
      results, made: results.models.map { ($0.name, $0.completedIterations) })
  }

  public init(_ results: StoriesResults) {
    self.init(
      results, made: results.models.map { ($0.name, $0.completedIterations) })
  }

  private init<Configuration, Corpus, Figures>(
    _ results: ComparisonResults<Configuration, Corpus, Figures>, made: [(name: String, iterations: Int)]
  ) {
    let total = results.configuration.iterations
    guard results.interrupted || made.contains(where: { $0.iterations < total }) else {
      caution = nil
      return
    }
    let parts = results.configuration.modelNames.map { name in
      let iterations = made.first { $0.name == name }?.iterations ?? 0
      return "\(Palette.displayName(of: name)) made \(grouped(iterations))"
    }
    caution =
      "\(results.interrupted ? "Interrupted" : "Ended early"): \(parts.joined(separator: ", ")) of "
      + "\(grouped(total)) iterations"
  }
}

extension ComparisonResults {
  /// What a verdict has to say of a run that was begun for fewer iterations.
  var lengthNote: String? {
    guard let ends = madeLongerAt, !ends.isEmpty else { return nil }
    return "The run was made longer after iteration \(ends.map(grouped).joined(separator: " and "))."
  }
}
