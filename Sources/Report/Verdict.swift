public import NanoExperiments
internal import NanoTraining

/// Which arm is better, by what margin, at what cost; of a study that did not reach its end, only how far it came.
public enum Verdict {
  /// The verdict in sentences.
  public static func text(_ results: StudyResults) -> String {
    [outcome(of: results), lengthNote(results)].compactMap { $0 }.joined(
      separator: results.study.comparisons.isEmpty ? " " : "\n")
  }

  private static func lengthNote(_ results: StudyResults) -> String? {
    guard let ends = results.madeLongerAt, !ends.isEmpty else { return nil }
    return "The run was made longer after iteration \(ends.map(grouped).joined(separator: " and "))."
  }

  private static func outcome(of results: StudyResults) -> String {
    let evaluated = results.evaluatedModels.filter(\.bestValidationLoss.isFinite)
    let unit = "nats a \(results.corpus.unit)"
    if let caution = Completeness(results).caution {
      let reached = evaluated.map { "\($0.title) reached \(fixed($0.bestValidationLoss, 4))" }
      return caution + ". Unequal training compares nothing, so no model is called better."
        + (reached.isEmpty
          ? " No model was evaluated after its first step." : " \(reached.joined(separator: ", ")) \(unit).")
    }
    let sides = results.study.arms.compactMap { Side($0, evaluated) }
    if sides.count == 1 { return alone(sides[0], unit) }
    guard !results.study.comparisons.isEmpty else { return ranking(sides, results.corpus) }
    let lines = results.study.comparisons.map { line($0, sides, results) }
    return (lines + (results.study.seeds.count == 1 && sides.count > 1 ? [oneSeed] : [])).joined(separator: "\n")
  }

  private static func alone(_ side: Side, _ unit: String) -> String {
    let runs = side.runs.count
    return "\(side.title) reached a best validation loss of \(fixed(side.loss, 4)) \(unit)"
      + (runs > 1 ? ", the mean of \(runs) seeds" : "") + ". No other model was trained to compare it with."
  }

  /// An arm, its losses averaged over seeds.
  private struct Side {
    let arm: Arm
    let runs: [RunResult]
    var title: String { arm.title }
    var loss: Double { runs.map(\.bestValidationLoss).mean }
    var stepMs: Double { runs.map(\.trainStepMeanMs).mean }
    var parameters: Int { runs[0].parameters }
    var activeParameters: Int { runs[0].activeParameters }
    var trainingSeconds: Double { runs.map(\.trainingSeconds).min()! }

    init?(_ arm: Arm, _ results: [RunResult]) {
      self.arm = arm
      runs = results.filter { $0.name == arm.name }
      if runs.isEmpty { return nil }
    }

    func loss(afterTrainingSeconds seconds: Double) -> Double? {
      let losses = runs.compactMap { $0.validationLoss(afterTrainingSeconds: seconds) }
      return losses.count == runs.count ? losses.mean : nil
    }
  }

  // MARK: How sure it is

  private static let oneSeed = "One seed shows nothing of how sure that is."

  /// What seeds show of two arms.
  private static func paired(_ first: Side, _ second: Side) -> PairedComparison? {
    let losses = first.runs.compactMap { run in
      second.runs.first { $0.seed == run.seed }.map { (run.bestValidationLoss, $0.bestValidationLoss) }
    }
    return losses.count > 1 ? PairedComparison(losses.map(\.0), losses.map(\.1)) : nil
  }

  /// - Parameter choices: pairs of arms that these two were chosen from, by which a chance result is likelier.
  private static func certainty(_ comparison: PairedComparison, choices: Int) -> String {
    guard let interval = comparison.interval, let p = comparison.pValue, let smallest = comparison.smallestShown else {
      return oneSeed
    }
    guard comparison.verdict != .identical else {
      return "All \(comparison.count) pairs of runs agree to the last digit."
    }
    return "Over \(comparison.count) paired seeds the difference is \(signed(comparison.mean)), its 95% interval from "
      + "\(signed(interval.lowerBound)) to \(signed(interval.upperBound)), p \(probabilityText(min(1, p * Double(choices))))"
      + (choices > 1 ? " for the extremes of \(choices) pairs" : "")
      + "; less than \(fixed(smallest, 4)) so few could not show."
  }

  private static func signed(_ value: Double) -> String { (value > 0 ? "+" : "") + fixed(value, 4) }

  /// Whether seeds, where there are several, leave it open who is better.
  private static func isOpen(_ comparison: PairedComparison?, choices: Int) -> Bool {
    guard let p = comparison?.pValue else { return false }
    return p * Double(choices) >= 0.05
  }

  // MARK: The best against the worst

  private static func ranking(_ sides: [Side], _ corpus: CorpusDescription) -> String {
    let ranked = sides.sorted { $0.loss < $1.loss }
    guard let best = ranked.first else { return "No model was evaluated." }
    let unit = "nats a \(corpus.unit)"
    var verdict = ""
    if let last = ranked.dropFirst().last {
      let difference = last.loss - best.loss
      let (seeds, choices) = (paired(best, last), ranked.count * (ranked.count - 1) / 2)
      let claim =
        ranked.count > 2
        ? (seeds == nil ? "has the lowest loss of" : "is the best of") + " \(ranked.count)"
        : seeds == nil ? "has the lower loss" : "is better"
      let outcome =
        areLevel(best.loss, last.loss)
        ? "\(best.title) and \(last.title) are level: a best validation loss of \(fixed(best.loss, 4)) \(unit), \(best.title)"
        : isOpen(seeds, choices: choices)
          ? "No difference is shown: best validation losses of \(fixed(best.loss, 4)) \(unit), and \(fixed(last.loss, 4)) of "
            + "\(last.title), \(best.title)"
          : "\(best.title) \(claim): a best validation loss of \(fixed(best.loss, 4)) \(unit), \(fixed(difference, 4)) "
            + "(\(fixed(100 * difference / last.loss, 1))%) below \(fixed(last.loss, 4)) of \(last.title),"
      verdict =
        outcome + " with \(fixed(Double(best.parameters) / Double(last.parameters), 2)) times its parameters and "
        + "\(fixed(best.stepMs / last.stepMs, 2)) times its training time. "
        + (seeds.map { certainty($0, choices: choices) } ?? oneSeed)
    }
    if let optimum = corpus.optimumNLL {
      verdict += " The text itself allows \(fixed(optimum, 4)), \(fixed(best.loss - optimum, 4)) lower."
    }
    return verdict
  }

  // MARK: Comparisons that the study names

  private static func line(_ comparison: Study.Comparison, _ sides: [Side], _ results: StudyResults) -> String {
    func title(_ name: String) -> String { Palette(results.study).title(of: name) }
    guard let arm = sides.first(where: { $0.arm.name == comparison.arm }) else {
      return "\(comparison.label): \(title(comparison.arm)) was not part of this run."
    }
    guard let other = comparison.others.lazy.compactMap({ name in sides.first { $0.arm.name == name } }).first else {
      return "\(comparison.label): no partner was run (\(comparison.others.map(title).joined(separator: " or ")))."
    }
    switch comparison.axis {
    case .tokens:
      return "\(comparison.label), equal tokens: "
        + self.comparison(arm, arm.loss, other, other.loss, results.corpus.unit)
        + " (\(grouped(arm.activeParameters)) of \(grouped(arm.parameters)) parameters active against "
        + "\(grouped(other.parameters)); \(fixed(arm.stepMs / other.stepMs, 2)) times the time a step)."
        + (paired(arm, other).map { " " + certainty($0, choices: 1) } ?? "")
    case .trainingTime:
      let seconds = min(arm.trainingSeconds, other.trainingSeconds)
      guard let mine = arm.loss(afterTrainingSeconds: seconds), let theirs = other.loss(afterTrainingSeconds: seconds)
      else { return "\(comparison.label): a model was not evaluated." }
      return "\(comparison.label), after \(fixed(seconds, 0)) s of training each, on the evaluations' windows: "
        + self.comparison(arm, mine, other, theirs, results.corpus.unit) + "."
    }
  }

  private static func comparison(
    _ first: Side, _ firstLoss: Double, _ second: Side, _ secondLoss: Double, _ unit: String
  ) -> String {
    if areLevel(firstLoss, secondLoss) {
      return "\(first.title) and \(second.title) are level at \(fixed(firstLoss, 4)) nats a \(unit)"
    }
    let (better, worse) = firstLoss < secondLoss ? (first, second) : (second, first)
    let (low, high) = (min(firstLoss, secondLoss), max(firstLoss, secondLoss))
    let seeds = paired(first, second)
    if isOpen(seeds, choices: 1) {
      return
        "no difference is shown, \(fixed(low, 4)) of \(better.title) and \(fixed(high, 4)) of \(worse.title), nats a \(unit)"
    }
    let claim = seeds == nil ? "has the lower loss" : "is better"
    return "\(better.title) \(claim), \(fixed(low, 4)) nats a \(unit), \(fixed(100 * (high - low) / high, 1))% below "
      + "\(fixed(high, 4)) of \(worse.title)"
  }
}

extension [Double] {
  fileprivate var mean: Double { isEmpty ? .nan : reduce(0, +) / Double(count) }
}
