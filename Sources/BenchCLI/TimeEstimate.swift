import NanoExperiments

/// How long a run will go on: its steps, and its evaluations, which are not spread evenly over it.
struct TimeEstimate {
  private let total, interval: Int
  /// Evaluations on the way that take as long as the end's; 1 where all are alike.
  private let endsWorth: Double
  private let isEvaluatedAtEnd: Bool
  private var stepSeconds: Double?
  private var evaluationSeconds = 0.0

  /// - Parameter validationTokens: of all of the text that validates.
  init(_ experiment: Experiment, validationTokens: Int) {
    total = experiment.iterations
    interval = experiment.evaluationInterval
    switch experiment.evaluation {
    case .randomWindows:
      (isEvaluatedAtEnd, endsWorth) = (false, 1)
    case .fullPass(let windows):
      // The windows, then all of the text, and all of it once more with the best weights before.
      let all = Double(validationTokens) / Double(experiment.sequenceLength * windows)
      (isEvaluatedAtEnd, endsWorth) = (true, 1 + 2 * max(1, all))
    }
  }

  /// Later steps count more than early ones, in which a machine warms up.
  mutating func didStep(seconds: Double) {
    stepSeconds = stepSeconds.map { 0.98 * $0 + 0.02 * seconds } ?? seconds
  }

  mutating func didEvaluate(seconds: Double) { evaluationSeconds = seconds }

  var millisecondsPerStep: Double { (stepSeconds ?? 0) * 1e3 }

  /// Seconds that are left after so many steps, before the evaluation that may be due then.
  func secondsLeft(after done: Int) -> Double {
    // At multiples of the interval below the end.
    var evaluations = Double(max(0, (total - 1) / interval - max(0, done - 1) / interval))
    let isLastApart = (total - 1) % interval != 0
    if isEvaluatedAtEnd || isLastApart && done < total { evaluations += endsWorth }
    return Double(total - done) * (stepSeconds ?? 0) + evaluations * evaluationSeconds
  }
}
