internal import Foundation
internal import NanoData
public import NanoExperiments
internal import NanoTraining

/// What a study of many runs comes to, as tables: `summary.md`, `arms.csv` and `comparisons.csv` beside `results.json`.
public enum StudySummary {
  /// Writes `results.json` and the tables to a folder that exists; of results without an analysis no CSV.
  public static func write(_ results: StudyResults, to folder: String) throws {
    func write(_ text: String, _ name: String) throws {
      try AtomicFile.write(Data(text.utf8), to: "\(folder)/\(name)")
    }
    try AtomicFile.write(JSONEncoder.readable.encode(results), to: "\(folder)/results.json")
    try write(text(results), "summary.md")
    guard let analysis = results.analysis else { return }
    try write(arms(analysis).csv, "arms.csv")
    if let trials = results.trials { try write(table(trials).csv, "trials.csv") }
    try write(differences(analysis.comparisons.map(Row.init) + analysis.effects.map(Row.init)).csv, "comparisons.csv")
  }

  /// As Markdown that can be read as it stands.
  /// - Parameter width: characters that a line of a table may have; the last columns go first. Nil for all columns.
  public static func text(_ results: StudyResults, width: Int? = nil) -> String {
    guard let analysis = results.analysis else { return "" }
    func markdown(_ table: Columns) -> String {
      let shown = width.map(table.fitting) ?? table
      return shown.markdown
        + (shown.headings.count < table.headings.count ? "\n\nFurther columns are in summary.md." : "")
    }
    let (made, all) = (results.models.count, results.study.runs.count)
    let findings = findings(analysis).map { "- \($0)" }.joined(separator: "\n")
    var parts = [
      "# \(results.study.name): \(results.study.arms.count) arms, \(results.study.seeds.count) seeds",
      "\(results.corpus.summary). \(made == all ? "All \(all)" : "\(made) of \(all)") runs reached their end"
        + (results.failures.map { "; training failed in \($0.count)" } ?? "") + ". Loss: \(analysis.measure).",
      analysis.warnings.map { "**Warning.** \($0)" }.joined(separator: "\n\n"),
      findings.isEmpty ? "" : "## What it shows\n\n" + findings, "## Arms", markdown(arms(analysis)),
      "To the target: until the loss on the evaluations' windows is what the first arm reaches at its end.",
    ]
    if !analysis.comparisons.isEmpty {
      parts += ["## Comparisons", markdown(differences(analysis.comparisons.map(Row.init)))]
    }
    for (kind, title) in [
      (FactorEffect.Kind.main, "Main effects"), (.interaction, "Interactions"),
      (.simple, "Effects at one level of another factor"),
    ] {
      let effects = analysis.effects.filter { $0.kind == kind }
      if !effects.isEmpty { parts += ["## \(title)", markdown(differences(effects.map(Row.init)))] }
    }
    let tuned = results.study.arms.compactMap { arm in arm.tuning.map { "- \(arm.title): \($0)" } }
    if !tuned.isEmpty { parts += ["## How settings were chosen", tuned.joined(separator: "\n")] }
    if let trials = results.trials { parts += ["## Trials", markdown(table(trials))] }
    if results.study.seeds.count > 1, !analysis.comparisons.isEmpty {
      parts.append(howToRead(results.study.seeds.count, analysis.margin))
    }
    if let failures = results.failures {
      parts += ["## Runs that failed", failures.map { "- \($0)" }.joined(separator: "\n")]
    }
    return parts.filter { !$0.isEmpty }.joined(separator: "\n\n") + "\n"
  }

  // MARK: Words

  /// What the comparisons and the main effects come to, a sentence each.
  static func findings(_ analysis: StudyAnalysis) -> [String] {
    let rows =
      analysis.comparisons.map(Row.init) + analysis.effects.filter { $0.kind == .main }.map(Row.init)
    return rows.compactMap { row in finding(row).map { "\(row.label): \($0)." } }
  }

  private static func finding(_ row: Row) -> String? {
    guard let paired = row.paired, let verdict = row.verdict else { return nil }
    let difference = "\(fixed(abs(paired.mean), 4)) \(paired.mean < 0 ? "lower" : "higher")"
    let interval = "95% interval \(range(paired.interval)), Holm's p \(probabilityText(row.adjusted))"
    switch verdict {
    case .better, .worse: return "\(verdict.rawValue), the loss is \(difference) (\(interval))"
    case .noDifferenceShown:
      return "no difference shown; the mean is \(difference) (\(interval)), and less than "
        + "\(fixed(paired.smallestShown ?? .nan, 4)) these seeds could not show"
    case .equalWithinMargin:
      return
        "equal within δ = \(paired.margin ?? .nan); the mean is \(difference) (95% interval \(range(paired.interval)))"
    case .identical: return "identical in all \(paired.count) seeds"
    case .unknown: return "\(difference) in one seed, which tells nothing of certainty"
    }
  }

  private static func howToRead(_ seeds: Int, _ margin: Double?) -> String {
    "Differences are of the loss, paired by seed (same order of the data); below 0 the first is better. The interval is "
      + "Student's t at 95%, p two-sided, Holm's p adjusted for all rows of the table; *better* and *worse* need "
      + "Holm's p below 0.05. *Smallest shown* is what so many seeds, scattered as these, could just have shown. An exact "
      + "test of signs cannot give a p below \(fixed(pow(2, Double(1 - seeds)), 4)) for \(seeds) seeds"
      + (seeds < 6 ? ", so at this number it can call nothing different" : "")
      + ". *At equal time* is after the seconds of training that the faster of two runs took in all, on the evaluations' "
      + "windows: as good as the machine was quiet."
      + (margin.map { " *Equal* is within δ = \($0), by two one-sided tests at 5%." } ?? "")
  }

  // MARK: Tables

  private static func arms(_ analysis: StudyAnalysis) -> Columns {
    Columns(
      [
        "arm", "seeds", "loss", "95% interval", "parameters", "active", "tokens", "TFLOP", "seconds", "ms a step", "MB",
        "steps to target", "seconds to target",
      ],
      analysis.arms.map { arm in
        [
          arm.title, "\(arm.seeds.count)", fixed(arm.mean ?? .nan, 4), range(arm.interval),
          arm.parameters.map(String.init) ?? "-", arm.activeParameters.map(String.init) ?? "-",
          arm.trainingTokens.map(String.init) ?? "-", teraFLOPs(arm.trainingFLOPs ?? .nan),
          fixed(arm.trainingSeconds ?? .nan, 1), fixed(arm.stepMs ?? .nan, 2),
          fixed((arm.peakTensorBytes ?? .nan) / 1e6, 1), fixed(arm.stepsToTarget ?? .nan, 0),
          fixed(arm.secondsToTarget ?? .nan, 1),
        ]
      })
  }

  /// Of short runs thousandths.
  private static func teraFLOPs(_ operations: Double) -> String {
    fixed(operations / 1e12, operations < 1e13 ? 3 : 1)
  }

  private static func table(_ trials: [TuningTrial]) -> Columns {
    let settings = Set(trials.flatMap(\.settings.keys)).sorted()
    return Columns(
      ["arm", "trial"] + settings + ["loss"],
      trials.map { trial -> [String] in
        let values: [String] = settings.map { trial.settings[$0].map { "\($0)" } ?? "-" }
        let loss = trial.loss.map { fixed($0, 4) } ?? "failed"
        return [trial.arm, "\(trial.number)"] + values + [loss]
      })
  }

  /// A difference with what is known of it.
  private struct Row {
    let label: String
    let paired: PairedComparison?
    let adjusted: Double?
    let verdict: PairedComparison.Verdict?
    let atEqualTime: PairedComparison?

    init(_ comparison: ArmComparison) {
      label = comparison.label
      (paired, adjusted, verdict) = (comparison.paired, comparison.adjustedPValue, comparison.verdict)
      atEqualTime = comparison.pairedAtEqualTime
    }

    init(_ effect: FactorEffect) {
      label = effect.label
      (paired, adjusted, verdict) = (effect.paired, effect.adjustedPValue, effect.verdict)
      atEqualTime = nil
    }
  }

  private static func differences(_ rows: [Row]) -> Columns {
    let headings = [
      "", "difference", "95% interval", "seeds", "p", "Holm's p", "exact p", "smallest shown", "verdict",
      "at equal time", "95% interval",
    ]
    let columns = rows.contains { $0.atEqualTime != nil } ? headings : headings.dropLast(2)
    return Columns(
      Array(columns),
      rows.map { row in
        var cells = [row.label]
        if let paired = row.paired {
          cells += [
            signed(paired.mean), range(paired.interval), "\(paired.count)", probability(paired.pValue),
            probability(row.adjusted), fixed(paired.exactPValue ?? .nan, 4), fixed(paired.smallestShown ?? .nan, 4),
            row.verdict?.rawValue ?? "-",
          ]
        }
        if let timed = row.atEqualTime { cells += [signed(timed.mean), range(timed.interval)] }
        return cells + Array(repeating: "-", count: columns.count - cells.count)
      })
  }

  private static func signed(_ value: Double) -> String { (value > 0 ? "+" : "") + fixed(value, 4) }

  private static func range(_ interval: ClosedRange<Double>?) -> String {
    interval.map { "\(fixed($0.lowerBound, 4)) to \(fixed($0.upperBound, 4))" } ?? "-"
  }
}

/// A table of texts under headings.
private struct Columns {
  let headings: [String]
  let rows: [[String]]

  init(_ headings: [String], _ rows: [[String]]) { (self.headings, self.rows) = (headings, rows) }

  /// Of each column's longest cell.
  private var widths: [Int] {
    headings.indices.map { column in ([headings] + rows).map { $0[column].count }.max() ?? 0 }
  }

  /// The first columns, as many as a line of so many characters has room for, and two at least.
  func fitting(_ width: Int) -> Columns {
    var (count, used) = (0, 1)
    for column in widths {
      used += column + 3
      guard count < 2 || used <= width else { break }
      count += 1
    }
    return Columns(Array(headings.prefix(count)), rows.map { Array($0.prefix(count)) })
  }

  var markdown: String {
    let widths = widths
    func line(_ cells: [String]) -> String {
      let padded = zip(cells, widths).enumerated().map { index, cell in
        let spaces = String(repeating: " ", count: cell.1 - cell.0.count)
        return index == 0 ? cell.0 + spaces : spaces + cell.0
      }
      return "| " + padded.joined(separator: " | ") + " |"
    }
    let rule = widths.enumerated().map { String(repeating: "-", count: $1 + ($0 == 0 ? 2 : 1)) }
    let aligned = "|" + rule.enumerated().map { $0 == 0 ? $1 : $1 + ":" }.joined(separator: "|") + "|"
    return ([line(headings), aligned] + rows.map(line)).joined(separator: "\n")
  }

  var csv: String {
    func cell(_ text: String) -> String {
      text.contains { ",\"\n".contains($0) } ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }
    return ([headings] + rows).map { $0.map(cell).joined(separator: ",") + "\n" }.joined()
  }
}
