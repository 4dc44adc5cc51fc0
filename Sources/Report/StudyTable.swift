public import NanoExperiments
internal import NanoTraining

/// A study's figures as text, one column an arm: those of its run, or means over its seeds.
public enum StudyTable {
  /// The runs of an arm.
  private struct Column {
    let title: String
    let runs: [RunResult]
  }

  /// The table, one line a figure; empty where no run was evaluated after its first step.
  /// - Parameter width: characters that a line may have; nil for any number.
  public static func text(_ results: StudyResults, width: Int? = nil) -> String {
    let models = results.evaluatedModels
    guard !models.isEmpty else { return "" }
    let total = results.iterations
    let made: TextTable<Column>.Row = (
      "iterations", { madeText($0.runs.map(\.completedIterations).min() ?? 0, of: total) }
    )
    let rows = RunFigure.shown(for: models).map { figure -> TextTable<Column>.Row in
      (figure.label, { figure.text(meanOf: $0.runs) ?? "-" })
    }
    return "Losses are in nats a \(results.corpus.unit).\(means(results))\n\n"
      + TextTable(rows: [made] + rows, columns: columns(results), name: \.title).text(width: width)
  }

  /// Every evaluation, where they are few; empty as ``text(_:)`` is.
  public static func losses(_ results: StudyResults, width: Int? = nil) -> String {
    let models = results.evaluatedModels
    guard !models.isEmpty else { return "" }
    let steps = Set(models.flatMap { $0.curve.map(\.step) }).sorted()
    // The first, the last, and some between them.
    let shown = steps.enumerated().filter { index, _ in
      steps.count <= 25 || index == steps.count - 1 || index % (steps.count / 20) == 0
    }.map(\.element)
    let rows: [TextTable<Column>.Row] = shown.map { step in
      (
        "step \(step)",
        { column in
          let points = column.runs.compactMap { $0.curve.first { $0.step == step } }
          guard !points.isEmpty else { return "-" }
          func mean(_ values: [Double]) -> String { fixed(values.reduce(0, +) / Double(values.count), 4) }
          return "\(mean(points.map { $0.trainingLoss ?? .nan })) / \(mean(points.map(\.validation.nllPerToken)))"
        }
      )
    }
    return "Training / validation loss, nats a \(results.corpus.unit).\(means(results))\n"
      + TextTable(rows: rows, columns: columns(results), name: \.title).text(width: width)
  }

  /// The arms of which a run was evaluated; of several seeds the title says how many made a run.
  private static func columns(_ results: StudyResults) -> [Column] {
    let study = results.study
    return study.arms.compactMap { arm in
      let runs = results.evaluatedModels.filter { $0.name == arm.name }
      guard let first = runs.first else { return nil }
      guard study.seeds.count > 1 else { return Column(title: first.title, runs: runs) }
      let (made, all) = (runs.count, study.seeds.count)
      return Column(title: made == all ? arm.title : "\(arm.title), \(made) of \(all) seeds", runs: runs)
    }
  }

  private static func means(_ results: StudyResults) -> String {
    let seeds = results.study.seeds.count
    return seeds > 1 ? " Each column is the mean of \(seeds) seeds; results.json has every run." : ""
  }
}
