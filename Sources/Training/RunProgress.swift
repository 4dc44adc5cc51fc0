internal import NanoModels
internal import NanoTensor

/// Where a run is between two steps: what is not a tensor.
package struct RunProgress: Hashable, Sendable, Codable {
  /// Steps made.
  package var step: Int
  package var trainer: TrainerConfiguration
  package var curve: [EvaluationPoint] = []
  /// The evaluation of the weights that are kept as the best.
  package var best: EvaluationPoint?
  /// Losses of the steps since the last evaluation.
  package var recentLosses: [Double] = []
  /// Running mean loads of the experts.
  package var loads = LoadAverages()
  /// Seconds of training, of evaluations and of everything, before this point.
  package var trainingSeconds = 0.0
  package var evaluationSeconds = 0.0
  package var totalSeconds = 0.0
  package var peakTensorBytes = 0
  package var peakResidentBytes = 0
  /// Of the last steps, for their median; a checkpoint must not grow with the run.
  package var recentStepSeconds: [Double] = []
  package var updateSeconds = 0.0
  package var residentBytesAtStart = 0
  package var lossScale: LossScale?

  static var keptStepTimes: Int { 1_000 }

  init(step: Int, trainer: TrainerConfiguration) {
    self.step = step
    self.trainer = trainer
  }

  /// Throws for values that no run of `iterations` steps with these settings can have come to, whatever hash they carry.
  func validate(
    trainer expected: TrainerConfiguration, iterations: Int
  ) throws(CheckpointError) {
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws(CheckpointError) {
      guard condition else { throw CheckpointError(description: problem()) }
    }
    try require(step >= 0, "it is of step \(step)")
    try require(step <= iterations, "it is of step \(step), the run has \(iterations)")
    var settings = trainer
    // What memory was short for.
    settings.microBatchCount = expected.microBatchCount
    settings.checkpointsActivations = expected.checkpointsActivations
    // Earlier runs on characters have a clip here that their models did not have.
    if expected.rules.queryKeyClip == nil { settings.rules.queryKeyClip = nil }
    try require(settings == expected, "its settings of training are not the run's")
    try require((1...65_536).contains(trainer.microBatchCount), "\(trainer.microBatchCount) micro-batches")
    try require(
      (lossScale != nil) == (trainer.precision == .float16) && lossScale?.isPlausible ?? true,
      "a loss scale that cannot be")
    let seconds = [trainingSeconds, evaluationSeconds, totalSeconds, updateSeconds] + recentStepSeconds
    try require(
      seconds.allSatisfy { $0 >= 0 && $0 < 1e12 } && recentStepSeconds.count <= Self.keptStepTimes,
      "times that cannot be")
    try require(
      [peakTensorBytes, peakResidentBytes, residentBytesAtStart].allSatisfy { (0...1 << 60).contains($0) },
      "counts of bytes that cannot be")
    try require(
      recentLosses.allSatisfy(\.isFinite) && recentLosses.count <= step, "losses that cannot be")
    let points = curve + (best.map { [$0] } ?? [])
    try require(
      points.allSatisfy { $0.isPlausible && (0...step).contains($0.step) }
        && zip(curve, curve.dropFirst()).allSatisfy { $0.step < $1.step },
      "evaluations that cannot be")
  }
}
