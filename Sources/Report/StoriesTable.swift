internal import Foundation
public import NanoTraining

/// The stories comparison as text: a table, and the verdict under three ways of being fair.
public enum StoriesTable {
  private static func rows(of total: Int) -> [TextTable<StoriesResult>.Row] {
    let made: TextTable<StoriesResult>.Row = ("iterations", { madeText($0.completedIterations, of: total) })
    return [made] + figures
  }

  private static let figures: [TextTable<StoriesResult>.Row] = [
    ("parameters", { grouped($0.parameters) }),
    ("active parameters", { grouped($0.activeParameters) }),
    ("best validation NLL (nats/token)", { fixed($0.bestValidationLoss, 4) }),
    ("final validation NLL (nats/token)", { fixed($0.finalValidationLoss, 4) }),
    ("final training NLL (nats/token)", { fixed($0.finalTrainingLoss, 4) }),
    ("perplexity", { fixed($0.perplexity, 3) }),
    ("bits per character", { fixed($0.bitsPerCharacter, 4) }),
    ("bits per byte", { fixed($0.bitsPerByte, 4) }),
    ("training step, mean (ms)", { fixed($0.trainStepMeanMs, 1) }),
    ("training step, median (ms)", { fixed($0.trainStepMedianMs, 1) }),
    ("optimizers' share of it (%)", { fixed(100 * $0.updateShare, 1) }),
    ("training tokens / s", { grouped(Int($0.tokensPerSecond)) }),
    ("training tokens", { grouped($0.trainingTokens) }),
    ("peak tensor memory (MB)", { fixed(Double($0.peakTensorBytes) / 1e6, 1) }),
    ("peak resident memory (MB)", { fixed(Double($0.peakResidentBytes) / 1e6, 1) }),
    ("training time (s)", { fixed($0.trainingSeconds, 1) }),
    ("total time (s)", { fixed($0.seconds, 1) }),
  ]

  /// The table, one line a figure.
  public static func text(_ results: StoriesResults) -> String {
    TextTable(
      rows: rows(of: results.configuration.iterations), columns: results.models,
      name: { Palette.displayName(of: $0.name) }
    ).text
  }

  /// The loss table: every evaluation of every model.
  public static func losses(_ results: StoriesResults) -> String {
    let steps = Set(results.models.flatMap { $0.curve.map(\.step) }).sorted()
    let rows: [TextTable<StoriesResult>.Row] = steps.map { step in
      (
        "step \(step)",
        { result in
          result.curve.first { $0.step == step }.map {
            "\(fixed($0.trainingLoss ?? .nan, 4)) / \(fixed($0.validation.nllPerToken, 4))"
          } ?? "-"
        }
      )
    }
    return "Training / validation NLL, nats a token\n"
      + TextTable(rows: rows, columns: results.models, name: { Palette.displayName(of: $0.name) })
      .text
  }

  /// Which model is better: at equal steps against a partner of as many active and of as many total
  /// parameters, and after equal training time. Of a run that did not reach its end, only how far it came.
  public static func verdict(_ results: StoriesResults) -> String {
    [outcome(of: results), results.lengthNote].compactMap { $0 }.joined(separator: "\n")
  }

  private static func outcome(of results: StoriesResults) -> String {
    if let caution = Completeness(results).caution {
      let reached = results.models.filter(\.bestValidationLoss.isFinite).map {
        "\(Palette.displayName(of: $0.name)) reached \(fixed($0.bestValidationLoss, 4))"
      }
      return incompleteVerdict(caution, reached: reached, unit: "nats a token")
    }
    guard let kimi = results.models.first(where: { $0.name == StoriesModel.nanoKimiK2.rawValue })
    else { return "NanoKimiK2 was not part of this run." }
    func partner(_ model: StoriesModel) -> StoriesResult? {
      results.models.first { $0.name == model.rawValue }
    }
    return [
      matched("Active-matched", kimi, partner(.nanoGPT), missing: .nanoGPT),
      matched("Total-matched", kimi, partner(.nanoGPTTotal), missing: .nanoGPTTotal),
      wallClock(kimi, partner(.nanoGPT) ?? partner(.nanoGPTTotal)),
    ].joined(separator: "\n")
  }

  private static func matched(
    _ kind: String, _ kimi: StoriesResult, _ other: StoriesResult?, missing: StoriesModel
  ) -> String {
    guard let other else {
      return "\(kind): not run; add \(missing.rawValue) to --models."
    }
    return "\(kind), equal tokens: " + comparison(kimi, kimi.bestValidationLoss, other, other.bestValidationLoss)
      + " (\(grouped(kimi.activeParameters)) of \(grouped(kimi.parameters)) parameters active against "
      + "\(grouped(other.parameters)); \(fixed(kimi.trainStepMeanMs / other.trainStepMeanMs, 2)) times the "
      + "time a step)."
  }

  private static func wallClock(_ kimi: StoriesResult, _ other: StoriesResult?) -> String {
    guard let other else { return "Wall-clock-matched: no partner was run." }
    let seconds = min(kimi.trainingSeconds, other.trainingSeconds)
    guard let mine = kimi.validationLoss(afterTrainingSeconds: seconds),
      let theirs = other.validationLoss(afterTrainingSeconds: seconds)
    else { return "Wall-clock-matched: a model was not evaluated." }
    return "Wall-clock-matched, after \(fixed(seconds, 0)) s of training each, on the evaluations' windows: "
      + comparison(kimi, mine, other, theirs) + "."
  }

  private static func comparison(
    _ first: StoriesResult, _ firstLoss: Double, _ second: StoriesResult, _ secondLoss: Double
  ) -> String {
    if areLevel(firstLoss, secondLoss) {
      return "\(Palette.displayName(of: first.name)) and \(Palette.displayName(of: second.name)) are level at "
        + "\(fixed(firstLoss, 4)) nats a token"
    }
    let isBetter = firstLoss < secondLoss
    let (better, worse) = isBetter ? (first, second) : (second, first)
    let (low, high) = (min(firstLoss, secondLoss), max(firstLoss, secondLoss))
    return "\(Palette.displayName(of: better.name)) is better, \(fixed(low, 4)) against "
      + "\(fixed(high, 4)) nats a token of \(Palette.displayName(of: worse.name)), "
      + "\(fixed(100 * (high - low) / high, 1))% lower"
  }
}
