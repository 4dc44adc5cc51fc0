public import NanoExperiments
internal import NanoTraining

/// A study's figures as text, one column a run.
public enum StudyTable {
  /// The table, one line a figure.
  public static func text(_ results: StudyResults) -> String {
    let total = results.iterations
    let made: TextTable<RunResult>.Row = ("iterations", { madeText($0.completedIterations, of: total) })
    let rows = RunFigure.shown(for: results.models).map { figure -> TextTable<RunResult>.Row in
      (figure.label, { figure.text($0) ?? "-" })
    }
    return "Losses are in nats a \(results.corpus.unit).\n\n"
      + TextTable(rows: [made] + rows, columns: results.models, name: \.title).text
  }

  /// Every evaluation of every run, where they are few.
  public static func losses(_ results: StudyResults) -> String {
    let steps = Set(results.models.flatMap { $0.curve.map(\.step) }).sorted()
    // The first, the last, and some between them.
    let shown = steps.enumerated().filter { index, _ in
      steps.count <= 25 || index == steps.count - 1 || index % (steps.count / 20) == 0
    }.map(\.element)
    let rows: [TextTable<RunResult>.Row] = shown.map { step in
      (
        "step \(step)",
        { result in
          result.curve.first { $0.step == step }.map {
            "\(fixed($0.trainingLoss ?? .nan, 4)) / \(fixed($0.validation.nllPerToken, 4))"
          } ?? "-"
        }
      )
    }
    return "Training / validation loss, nats a \(results.corpus.unit)\n"
      + TextTable(rows: rows, columns: results.models, name: \.title).text
  }
}
