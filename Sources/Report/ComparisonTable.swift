internal import Foundation
public import NanoTraining

/// The comparison as text: a table and a verdict.
public enum ComparisonTable {
  private static let rows: [(label: String, text: @Sendable (ModelResult) -> String)] = [
    ("parameters", { grouped($0.parameters) }),
    ("best validation loss", { fixed($0.bestValidationLoss, 4) }),
    ("final validation loss", { fixed($0.finalValidationLoss, 4) }),
    ("final training loss", { fixed($0.finalTrainingLoss, 4) }),
    ("perplexity", { fixed($0.perplexity, 3) }),
    ("perplexity / million parameters", { fixed($0.parameterEfficiency, 2) }),
    ("training step, mean (ms)", { fixed($0.trainStepMeanMs, 3) }),
    ("training step, median (ms)", { fixed($0.trainStepMedianMs, 3) }),
    ("step with evaluation, mean (ms)", { fixed($0.trainStepWithEvaluationMeanMs, 3) }),
    ("inference, one batch (ms)", { fixed($0.inferenceMeanMs, 3) }),
    ("training tokens / s", { grouped(Int($0.tokensPerSecond)) }),
    ("peak tensor memory (MB)", { fixed(Double($0.peakTensorBytes) / 1e6, 1) }),
    ("peak resident memory (MB)", { fixed(Double($0.peakResidentBytes) / 1e6, 1) }),
    ("resident growth / step (bytes)", { fixed($0.residentGrowthBytesPerStep, 0) }),
    ("total time (s)", { fixed($0.seconds, 1) }),
  ]

  /// The table, one line a figure.
  public static func text(_ results: StudyResults) -> String {
    let labelWidth = rows.map(\.label.count).max() ?? 0
    let columns = results.models.map { model in
      [Palette.displayName(of: model.name)] + rows.map { $0.text(model) }
    }
    let widths = columns.map { column in column.map(\.count).max() ?? 0 }
    func line(_ label: String, _ row: Int) -> String {
      let cells = zip(columns, widths).map { $0[row].padded(to: $1) }
      return label.padding(toLength: labelWidth, withPad: " ", startingAt: 0) + "  "
        + cells.joined(separator: "  ")
    }
    let header = line("", 0)
    let rule = String(repeating: "-", count: header.count)
    return ([header, rule] + rows.enumerated().map { line($1.label, $0 + 1) }).joined(
      separator: "\n")
  }

  /// Which model is better, by what margin, at what cost.
  public static func verdict(_ results: StudyResults) -> String {
    let ranked = results.models.filter(\.bestValidationLoss.isFinite)
      .sorted { $0.bestValidationLoss < $1.bestValidationLoss }
    guard let best = ranked.first else { return "No model was evaluated." }
    let name = Palette.displayName(of: best.name)
    var verdict: String
    if ranked.count > 1, let second = ranked.last {
      let difference = second.bestValidationLoss - best.bestValidationLoss
      verdict =
        "\(name) is better: \(fixed(best.bestValidationLoss, 4)) nats a character, "
        + "\(fixed(difference, 4)) (\(fixed(100 * difference / second.bestValidationLoss, 1))%) below "
        + "\(Palette.displayName(of: second.name)), with "
        + "\(fixed(Double(best.parameters) / Double(second.parameters), 2)) times its parameters and "
        + "\(fixed(best.trainStepMeanMs / second.trainStepMeanMs, 2)) times its training time."
    } else {
      verdict = "\(name) reached \(fixed(best.bestValidationLoss, 4)) nats a character."
    }
    if let optimum = results.corpus.optimumNLL {
      verdict +=
        " The text itself allows \(fixed(optimum, 4)), "
        + "\(fixed(best.bestValidationLoss - optimum, 4)) lower."
    }
    return verdict
  }
}

private func fixed(_ value: Double, _ digits: Int) -> String {
  value.isFinite ? String(format: "%.\(digits)f", value) : "-"
}

private func grouped(_ value: Int) -> String {
  var groups: [Substring] = []
  var digits = String(value)[...]
  while digits.count > 3 {
    groups.append(digits.suffix(3))
    digits = digits.dropLast(3)
  }
  return ([digits] + groups.reversed()).joined(separator: ",")
}

extension String {
  /// Spaces before it until it is `width` characters long.
  fileprivate func padded(to width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }
}
