import Foundation
import NanoData
import NanoTraining

/// Shows a run as it goes: a bar on a terminal, a line an evaluation elsewhere; and writes `metrics.csv`.
struct ProgressDisplay: RunObserver {
  let model: StudyModel
  let folder: RunFolder
  let isQuiet: Bool
  private let start = Stopwatch()
  private var lastDraw = 0.0
  private var lastEvaluation: EvaluationPoint?
  private var smoothedSpeed = 0.0
  private var smoothedLoss = 0.0

  init(model: StudyModel, folder: RunFolder, isQuiet: Bool) {
    self.model = model
    self.folder = folder
    self.isQuiet = isQuiet
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
    let elapsed = start.seconds
    guard elapsed - lastDraw > 0.1 || step == total - 1 else { return }
    lastDraw = elapsed
    let done = Double(step + 1) / Double(total)
    let filled = Int(done * 24)
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
    let left = Int((elapsed / done - elapsed).rounded())
    Terminal.rewriteLine(
      String(
        format: "%@ %@ %d/%d  loss %.3f  val %.3f  %.0fk tokens/s  %d:%02d left", model.displayName,
        bar,
        step + 1, total, smoothedLoss, lastEvaluation?.validationLoss ?? .nan, smoothedSpeed / 1000,
        left / 60, left % 60))
  }

  /// Ends the bar's line.
  func finish() {
    if !isQuiet, Terminal.isInteractive { Terminal.writeError("") }
  }
}
