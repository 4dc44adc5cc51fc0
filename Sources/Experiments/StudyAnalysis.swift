internal import Foundation
internal import NanoModels
internal import NanoTraining

/// What the runs of a study that reached their end show: of each arm, of two arms at a time, and of each factor.
public struct StudyAnalysis: Hashable, Sendable, Codable {
  /// Which loss is compared, in words.
  public var measure: String
  /// δ: a smaller difference does not matter.
  public var margin: Double?
  /// One entry an arm, in the study's order.
  public var arms: [ArmSummary]
  /// One family, to which Holm's adjustment of p is made.
  public var comparisons: [ArmComparison]
  /// Of a full factorial study, else empty: main effects, then interactions, then effects at one level of another
  /// factor, each kind a family of its own.
  public var effects: [FactorEffect]
  /// What a reader must know before he believes a comparison.
  public var warnings: [String]

  /// What the results of a study show, those left out that did not reach their end.
  /// - Parameter unit: what a loss is a number of nats a, as ``CorpusDescription/unit``.
  public init(of study: Study, _ results: [RunResult], unit: String) {
    let runs = study.runs.compactMap { planned in
      results.first {
        $0.name == planned.arm.name && $0.seed == planned.experiment.seed
          && $0.completedIterations == planned.experiment.iterations
      }
    }
    let isFull = study.arms.allSatisfy(\.experiment.evaluation.isFullPass)
    measure =
      isFull
      ? "validation loss of the whole split, nats a \(unit), of the last step's weights where the rate decays, else of the "
        + "best evaluation's"
      : "best validation loss of a run, nats a \(unit)"
    margin = study.margin
    let target = study.arms.first.flatMap { Self.target(runs.of($0)) }
    arms = study.arms.map { ArmSummary($0, runs.of($0), target: target) }
    let losses = Dictionary(uniqueKeysWithValues: study.arms.map { ($0.name, runs.of($0).scores(in: $0)) })
    comparisons = ArmComparison.all(of: study, losses, runs)
    effects = FactorEffect.all(of: study, losses)
    warnings = []
    let counts = arms.map(\.seeds.count)
    if study.seeds.count == 1 {
      warnings.append("One seed: nothing is known of certainty.")
    } else if let least = counts.min(), least < study.seeds.count {
      warnings.append("Not every run reached its end: what is compared are the seeds that both sides have.")
    }
    if runs.contains(where: { $0.sharedDevice == true }) {
      warnings.append("Runs shared a GPU: their seconds are of each other too, and are not compared.")
    }
    for comparison in comparisons where comparison.isTunedAgainstUntuned {
      warnings.append("\(comparison.label): a tuned arm is set against an untuned one.")
    }
  }

  /// What the first arm reaches at its end, on the text that evaluations on the way read.
  private static func target(_ runs: [RunResult]) -> Double? {
    let ends = runs.compactMap { $0.curve.last?.comparableNLL }
    return ends.isEmpty ? nil : ends.reduce(0, +) / Double(ends.count)
  }
}

/// An arm's figures over its seeds.
public struct ArmSummary: Hashable, Sendable, Codable {
  /// The arm's name.
  public var name: String
  /// The arm's title, for people.
  public var title: String
  /// Where it stands in a factorial study; nil where the study names no levels.
  public var levels: [Arm.Level]?
  /// How its settings were chosen; nil where nobody searched for them.
  public var tuning: String?
  /// Seeds whose runs reached their end, and the loss of each.
  public var seeds: [UInt64]
  /// In nats a token, in the order of the seeds.
  public var losses: [Double]
  /// Of the losses; nil where there is none.
  public var mean: Double?
  /// Of the losses, with n - 1; nil for one.
  public var standardDeviation: Double?
  /// The 95% interval of the mean, Student's t; nil for one.
  public var interval: ClosedRange<Double>?
  /// Parameters of the model, each number counted; nil where no run reached its end.
  public var parameters: Int?
  /// Parameters that take part in the computation for one token.
  public var activeParameters: Int?
  /// Of one run.
  public var trainingTokens: Int?
  /// Floating-point operations of one run's training (``Experiment/trainingFLOPsPerToken(activeParameters:)``).
  public var trainingFLOPs: Double?
  /// Means over the runs.
  public var trainingSeconds, stepMs, peakTensorBytes: Double?
  /// Steps, and seconds of training, until a run's loss is what the first arm reaches at its end; nil where one of the
  /// runs never is.
  public var stepsToTarget, secondsToTarget: Double?

  init(_ arm: Arm, _ runs: [RunResult], target: Double?) {
    name = arm.name
    title = arm.title
    levels = arm.levels
    tuning = arm.tuning
    seeds = runs.map(\.seed)
    losses = runs.map { $0.score(of: arm.experiment) }
    guard let first = runs.first else { return }
    let sample = SampleMean(losses)
    mean = sample.mean
    standardDeviation = sample.standardDeviation
    interval = sample.interval
    parameters = first.parameters
    activeParameters = first.activeParameters
    trainingTokens = first.trainingTokens
    let perToken = arm.experiment.trainingFLOPsPerToken(activeParameters: first.activeParameters)
    trainingFLOPs = Double(perToken) * Double(first.trainingTokens)
    func average(_ value: (RunResult) -> Double) -> Double { runs.map(value).reduce(0, +) / Double(runs.count) }
    trainingSeconds = average(\.trainingSeconds)
    if arm.experiment.iterations > 0 { stepMs = average(\.trainStepMeanMs) }
    peakTensorBytes = average { Double($0.peakTensorBytes) }
    let arrivals = runs.compactMap { run in target.flatMap { run.arrival(at: $0) } }
    guard arrivals.count == runs.count else { return }
    stepsToTarget = arrivals.map(\.steps).reduce(0, +) / Double(runs.count)
    secondsToTarget = arrivals.map(\.seconds).reduce(0, +) / Double(runs.count)
  }
}

/// Two arms, compared by the seeds that both have.
public struct ArmComparison: Hashable, Sendable, Codable {
  /// For people.
  public var label: String
  /// The names of the two; a difference is the loss of the first minus that of the second.
  public var arm, other: String
  /// After as many steps; nil where no seed has both.
  public var paired: PairedComparison?
  /// After as many seconds of training as the faster of each pair of runs took in all, on the text that evaluations on the
  /// way read; nil where a run shared its device with others, for then seconds are of them too, and where one made no step.
  public var pairedAtEqualTime: PairedComparison?
  /// By Holm, over the comparisons of the study.
  public var adjustedPValue: Double?
  /// What may be said by the adjusted p; nil where no seed has both.
  public var verdict: PairedComparison.Verdict?
  /// Whether the settings of one alone were searched for.
  public var isTunedAgainstUntuned: Bool

  static func all(of study: Study, _ losses: [String: [UInt64: Double]], _ runs: [RunResult]) -> [ArmComparison] {
    let titles = Dictionary(uniqueKeysWithValues: study.arms.map { ($0.name, $0.title) })
    let named = study.comparisons.filter { $0.axis == .tokens }.compactMap { comparison in
      comparison.others.first { titles[$0] != nil }.flatMap { other in
        titles[comparison.arm].map { _ in (comparison.label, comparison.arm, other) }
      }
    }
    let pairs =
      study.comparisons.isEmpty
      ? study.arms.dropFirst().map { ("\($0.title) against \(study.arms[0].title)", $0.name, study.arms[0].name) }
      : named
    var all = pairs.map { label, arm, other in
      let paired = PairedComparison(losses[arm] ?? [:], losses[other] ?? [:], margin: study.margin)
      func isTuned(_ name: String) -> Bool { study.arms.first { $0.name == name }?.tuning != nil }
      return ArmComparison(
        label: label, arm: arm, other: other, paired: paired,
        pairedAtEqualTime: pairedAtEqualTime(runs.filter { $0.name == arm }, runs.filter { $0.name == other }),
        isTunedAgainstUntuned: isTuned(arm) != isTuned(other))
    }
    for (index, adjusted) in PairedComparison.adjusted(all.map(\.paired)).enumerated() {
      all[index].adjustedPValue = adjusted
      all[index].verdict = all[index].paired?.verdict(adjustedPValue: adjusted)
    }
    return all
  }
}

extension ArmComparison {
  private static func pairedAtEqualTime(_ first: [RunResult], _ second: [RunResult]) -> PairedComparison? {
    var losses: (first: [UInt64: Double], second: [UInt64: Double]) = ([:], [:])
    let runs = first + second
    guard !runs.contains(where: { $0.sharedDevice == true || $0.completedIterations == 0 }) else { return nil }
    for run in first {
      guard let other = second.first(where: { $0.seed == run.seed }) else { continue }
      let seconds = min(run.trainingSeconds, other.trainingSeconds)
      losses.first[run.seed] = run.validationLoss(afterTrainingSeconds: seconds)
      losses.second[run.seed] = other.validationLoss(afterTrainingSeconds: seconds)
    }
    return PairedComparison(losses.first, losses.second, margin: nil)
  }
}

/// A mean with its 95% interval by Student's t.
struct SampleMean {
  let mean: Double
  let standardDeviation: Double?
  let interval: ClosedRange<Double>?

  init(_ values: [Double]) {
    let n = Double(values.count)
    let mean = values.reduce(0, +) / n
    self.mean = mean
    guard values.count > 1 else {
      (standardDeviation, interval) = (nil, nil)
      return
    }
    let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)).squareRoot()
    let half =
      StudentDistribution(degreesOfFreedom: n - 1).criticalValue(twoSidedTail: 0.05) * deviation / n.squareRoot()
    standardDeviation = deviation
    interval = mean - half...mean + half
  }
}

extension PairedComparison {
  /// Values by seed, of which those count that both have; nil where there are none.
  init?(_ first: [UInt64: Double], _ second: [UInt64: Double], margin: Double?) {
    let seeds = first.keys.filter { second[$0] != nil }.sorted()
    guard !seeds.isEmpty else { return nil }
    self.init(seeds.map { first[$0]! }, seeds.map { second[$0]! }, margin: margin)
  }

  /// Holm's adjustment of those that have a p.
  static func adjusted(_ comparisons: [PairedComparison?]) -> [Double?] {
    let known = comparisons.indices.filter { comparisons[$0]?.pValue != nil }
    var all = [Double?](repeating: nil, count: comparisons.count)
    for (index, value) in zip(known, adjusted(known.map { comparisons[$0]!.pValue! })) { all[index] = value }
    return all
  }
}

extension [RunResult] {
  fileprivate func of(_ arm: Arm) -> [RunResult] { filter { $0.name == arm.name } }

  fileprivate func scores(in arm: Arm) -> [UInt64: Double] {
    Dictionary(map { ($0.seed, $0.score(of: arm.experiment)) }) { first, _ in first }
  }
}

extension EvaluationPolicy {
  /// Whether the end is scored on all of the validation text.
  var isFullPass: Bool {
    if case .fullPass = self { true } else { false }
  }
}

extension RunResult {
  /// The loss that a study compares: after a full pass that of the last step's weights where the rate decays, which no
  /// evaluation chose, else that of the best weights; of the published protocol the best of its evaluations.
  public func score(of experiment: Experiment) -> Double {
    let isOfLast = experiment.evaluation.isFullPass && experiment.schedule.form != .constant
    return isOfLast ? finalValidationLoss : bestValidationLoss
  }

  /// When the loss, on the text that evaluations on the way read, first was at most `target`, interpolated between
  /// evaluations; nil if it never was.
  func arrival(at target: Double) -> (steps: Double, seconds: Double)? {
    guard let index = curve.firstIndex(where: { $0.comparableNLL <= target }) else { return nil }
    let point = curve[index]
    guard index > 0 else { return (Double(point.step), point.trainingSeconds) }
    let before = curve[index - 1]
    let share = (before.comparableNLL - target) / (before.comparableNLL - point.comparableNLL)
    return (
      Double(before.step) + share * Double(point.step - before.step),
      before.trainingSeconds + share * (point.trainingSeconds - before.trainingSeconds)
    )
  }
}
