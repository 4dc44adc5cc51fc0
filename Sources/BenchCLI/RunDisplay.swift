import Foundation
import NanoExperiments
import NanoTraining

/// Shows a run as it goes: a bar on a terminal, a line an evaluation elsewhere, the loss table and samples if wanted.
struct RunDisplay: RunObserver {
  let title: String
  let isOfCharacters: Bool
  let isQuiet: Bool
  let tableInterval: Int?
  private let start = Stopwatch()
  private var firstStep: Int?
  private var bar: ProgressBar
  private var lastEvaluation: EvaluationPoint?
  private var lastLineStep: Int?
  private var lastTableStep: Int?

  init(_ planned: Study.PlannedRun, isQuiet: Bool, tableInterval: Int?) {
    title = planned.title
    isOfCharacters = planned.experiment.corpus.kind == .characters
    self.isQuiet = isQuiet
    self.tableInterval = tableInterval
    bar = ProgressBar(planned.title)
  }

  func didBegin(_ routing: RoutingTable) {
    guard !isQuiet else { return }
    for line in routing.summary { Terminal.writeError("\(title): \(line)") }
  }

  mutating func didStep(_ step: Int, of total: Int, loss: Double, tokensPerSecond: Double) {
    if firstStep == nil { firstStep = step }
    guard !isQuiet, Terminal.isInteractive else { return }
    let validation = lastEvaluation.map { String(format: "val %.3f  ", $0.validation.nllPerToken) } ?? ""
    bar.draw(
      done: step + 1, of: total, made: step + 1 - firstStep!, elapsed: start.seconds,
      details: String(format: "loss %.3f  ", loss) + validation + String(format: "%.0f tokens/s", tokensPerSecond))
  }

  mutating func didRecord(_ record: StepRecord) {
    guard !isQuiet, let tableInterval,
      lastTableStep.map({ record.step / tableInterval > $0 / tableInterval }) ?? true
    else { return }
    lastTableStep = record.step
    writeTableLine(record)
  }

  private func writeTableLine(_ record: StepRecord) {
    Terminal.writeError(
      String(
        format: "%@ step %6d  loss %.4f  balance %.4f  z %.4f  lr %.2e  norm %.3f  violation %.2f  "
          + "dead %d  logit %.1f  %.0f tokens/s  %.0f MB", title, record.step, record.nll,
        record.balanceLoss, record.zLoss, record.learningRate, record.gradientNorm,
        record.mixtures.map(\.maximalViolation).max() ?? 0,
        record.mixtures.reduce(0) { $0 + $1.deadExperts },
        record.largestAttentionLogits.max() ?? 0, record.tokensPerSecond,
        Double(record.peakTensorBytes) / 1e6))
  }

  /// About twenty lines a run at most.
  mutating func didEvaluate(_ point: EvaluationPoint, of total: Int) {
    lastEvaluation = point
    guard !isQuiet, !Terminal.isInteractive else { return }
    let interval = max(1, total / 20)
    guard lastLineStep.map({ point.step / interval > $0 / interval }) ?? true else { return }
    lastLineStep = point.step
    let training = point.trainingLoss.map { String(format: "training %.4f  ", $0) } ?? ""
    let bits = isOfCharacters ? "" : String(format: "%.4f bits/character  ", point.validation.bitsPerCharacter)
    Terminal.writeError(
      String(format: "%@ %6d/%d  ", title, point.step, total) + training
        + String(format: "validation %.4f  ", point.validation.nllPerToken) + bits
        + String(format: "%.0f s", point.seconds))
  }

  func didSample(_ samples: [Sample]) {
    guard !isQuiet, !isOfCharacters else { return }
    for sample in samples {
      Terminal.writeError("\n\(title), step \(sample.step): \(sample.prompt)\(sample.text)\n")
    }
  }

  func didNotice(_ message: String) { Terminal.writeError("\(title): \(message)") }

  /// Ends the bar's line.
  func didEnd() {
    if !isQuiet, Terminal.isInteractive { Terminal.writeError("") }
  }
}
