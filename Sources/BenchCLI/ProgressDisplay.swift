import Foundation
import NanoData
import NanoTraining

/// Shows a run as it goes: a bar on a terminal, a line an evaluation elsewhere; and writes `metrics.csv`.
struct ProgressDisplay: RunObserver {
  let model: StudyModel
  let folder: RunFolder
  let isQuiet: Bool
  private let start = Stopwatch()
  private var bar: ProgressBar
  private var lastEvaluation: EvaluationPoint?
  private var smoothedSpeed = 0.0
  private var smoothedLoss = 0.0

  init(model: StudyModel, folder: RunFolder, isQuiet: Bool) {
    self.model = model
    self.folder = folder
    self.isQuiet = isQuiet
    bar = ProgressBar(model.displayName)
  }

  mutating func didEvaluate(_ point: EvaluationPoint, of total: Int) throws {
    try folder.append(point, model: model.rawValue)
    lastEvaluation = point
    guard !isQuiet, !Terminal.isInteractive, point.step % max(1, total / 20) == 0 else { return }
    Terminal.writeError(
      String(
        format: "%@ %6d/%d  training %.4f  validation %.4f  %.0f s", model.displayName, point.step,
        total, point.trainingLoss, point.validationLoss, point.seconds))
  }

  mutating func didStep(_ step: Int, of total: Int, loss: Double, tokensPerSecond: Double) {
    smoothedSpeed = step == 0 ? tokensPerSecond : 0.98 * smoothedSpeed + 0.02 * tokensPerSecond
    smoothedLoss = step == 0 ? loss : 0.98 * smoothedLoss + 0.02 * loss
    guard !isQuiet, Terminal.isInteractive else { return }
    let validation = lastEvaluation.map { String(format: "val %.3f  ", $0.validationLoss) } ?? ""
    bar.draw(
      done: step + 1, of: total, made: step + 1, elapsed: start.seconds,
      details: String(format: "loss %.3f  ", smoothedLoss) + validation
        + String(format: "%.0fk tokens/s", smoothedSpeed / 1000))
  }

  /// Ends the bar's line.
  func finish() {
    if !isQuiet, Terminal.isInteractive { Terminal.writeError("") }
  }
}
