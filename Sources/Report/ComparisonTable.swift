internal import Foundation
public import NanoTraining

/// The comparison as text: a table and a verdict.
public enum ComparisonTable {
  private static func rows(of total: Int) -> [TextTable<ModelResult>.Row] {
    let made: TextTable<ModelResult>.Row = ("iterations", { madeText($0.completedIterations, of: total) })
    return [made] + figures
  }

  private static let figures: [TextTable<ModelResult>.Row] = [
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
    TextTable(
      rows: rows(of: results.configuration.iterations), columns: results.models,
      name: { Palette.displayName(of: $0.name) }
    ).text
  }

  /// Which model is better, by what margin, at what cost; of a run that did not reach its end, only how far it came.
  public static func verdict(_ results: StudyResults) -> String {
    [outcome(of: results), results.lengthNote].compactMap { $0 }.joined(separator: " ")
  }

  private static func outcome(of results: StudyResults) -> String {
    if let caution = Completeness(results).caution {
      let reached = results.models.filter(\.bestValidationLoss.isFinite).map {
        "\(Palette.displayName(of: $0.name)) reached \(fixed($0.bestValidationLoss, 4))"
      }
      return incompleteVerdict(caution, reached: reached, unit: "nats a character")
    }
    let ranked = results.models.filter(\.bestValidationLoss.isFinite)
      .sorted { $0.bestValidationLoss < $1.bestValidationLoss }
    guard let best = ranked.first else { return "No model was evaluated." }
    let name = Palette.displayName(of: best.name)
    var verdict: String
    if let second = ranked.dropFirst().last {
      let difference = second.bestValidationLoss - best.bestValidationLoss
      let other = Palette.displayName(of: second.name)
      let outcome =
        areLevel(best.bestValidationLoss, second.bestValidationLoss)
        ? "\(name) and \(other) are level: \(fixed(best.bestValidationLoss, 4)) nats a character, \(name)"
        : "\(name) is better: \(fixed(best.bestValidationLoss, 4)) nats a character, "
          + "\(fixed(difference, 4)) (\(fixed(100 * difference / second.bestValidationLoss, 1))%) below \(other),"
      verdict =
        outcome + " with "
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
