import Foundation
import NanoExperiments
import NanoTraining

/// Shows a run as it goes: a line that is redrawn on a terminal, about twenty lines elsewhere, the loss table and samples
/// if wanted.
struct RunDisplay: RunObserver {
  let title: String
  let isQuiet: Bool
  let tableInterval: Int?
  private let total, tokensPerStep: Int
  private let clock = Stopwatch()
  private var estimate: TimeEstimate
  private var lastEvaluation: EvaluationPoint?
  /// Seconds of the clock when the last step or evaluation ended.
  private var lastEvent = 0.0
  private var lastDraw = -Double.infinity
  /// Of the last line that was written, and of one that waits for the evaluation that may follow its step.
  private var lastMark: Int?
  private var waiting: ProgressLine?
  private var lastTableStep: Int?

  init(_ planned: Study.PlannedRun, validationTokens: Int, isQuiet: Bool, tableInterval: Int?) {
    title = planned.title
    self.isQuiet = isQuiet
    self.tableInterval = tableInterval
    total = planned.experiment.iterations
    tokensPerStep = planned.experiment.tokensPerStep
    estimate = TimeEstimate(planned.experiment, validationTokens: validationTokens)
  }

  private var redraws: Bool { !isQuiet && Terminal.redraws }

  func didBegin(_ routing: RoutingTable) {
    guard !isQuiet else { return }
    for line in routing.summary { Terminal.writeError("\(title): \(line)") }
  }

  mutating func didStep(_ step: Int, of total: Int, loss: Double, tokensPerSecond: Double) {
    lastEvent = clock.seconds
    estimate.didStep(seconds: Double(tokensPerStep) / tokensPerSecond)
    guard !isQuiet else { return }
    let line = line(done: step + 1, of: total, loss: loss)
    if redraws {
      if clock.seconds - lastDraw > 0.2 || step + 1 == total { draw(line) }
      return
    }
    writeWaiting()
    // The first, the last, and one a twentieth of the way.
    let mark = (step + 1) * 20 / total
    if mark > lastMark ?? -1 || step + 1 == total { (waiting, lastMark) = (line, mark) }
  }

  mutating func didEvaluate(_ point: EvaluationPoint, of total: Int) {
    estimate.didEvaluate(seconds: clock.seconds - lastEvent)
    lastEvent = clock.seconds
    lastEvaluation = point
    guard !isQuiet else { return }
    let line = line(done: point.step, of: total, loss: point.trainingLoss)
    if redraws {
      draw(line)
    } else if waiting?.done == point.step || lastMark == nil {
      waiting = line
      lastMark = lastMark ?? point.step * 20 / total
      writeWaiting()
    }
  }

  private func line(done: Int, of total: Int, loss: Double?) -> ProgressLine {
    let isOver = done == total && lastEvaluation.map { $0.step == total } ?? false
    let left = isOver ? 0 : Int(estimate.secondsLeft(after: done))
    let validation = lastEvaluation.map { point in
      String(format: "val %.4f", point.validation.nllPerToken)
        + (redraws || point.step == done ? "" : " at \(point.step)")
    }
    return ProgressLine(
      name: title, done: done, total: total, loss: loss.map { String(format: "loss %.4f", $0) } ?? "",
      validation: validation ?? "",
      speed: estimate.millisecondsPerStep > 0 ? String(format: "%.3g ms/step", estimate.millisecondsPerStep) : "",
      timeLeft: estimate.millisecondsPerStep > 0 ? String(format: "%d:%02d left", left / 60, left % 60) : "")
  }

  private mutating func draw(_ line: ProgressLine) {
    lastDraw = clock.seconds
    // The last column stays free: a terminal may go to the next line after it.
    Terminal.rewriteLine(line.text(columns: Terminal.columns - 1))
  }

  private mutating func writeWaiting() {
    if let waiting { Terminal.writeError(waiting.text) }
    waiting = nil
  }

  /// Says something in a line of its own.
  private func say(_ text: String) {
    if redraws { Terminal.rewriteLine("") }
    Terminal.writeError(text)
  }

  mutating func didRecord(_ record: StepRecord) {
    guard !isQuiet, let tableInterval,
      lastTableStep.map({ record.step / tableInterval > $0 / tableInterval }) ?? true
    else { return }
    lastTableStep = record.step
    writeTableLine(record)
  }

  private func writeTableLine(_ record: StepRecord) {
    say(
      String(
        format: "%@ step %6d  loss %.4f  balance %.4f  z %.4f  lr %.2e  norm %.3f  violation %.2f  "
          + "dead %d  logit %.1f  %.0f tokens/s  %.0f MB", title, record.step, record.nll,
        record.balanceLoss, record.zLoss, record.learningRate, record.gradientNorm,
        record.mixtures.map(\.maximalViolation).max() ?? 0,
        record.mixtures.reduce(0) { $0 + $1.deadExperts },
        record.largestAttentionLogits.max() ?? 0, record.tokensPerSecond,
        Double(record.peakTensorBytes) / 1e6))
  }

  /// On the way; the end's are shown beside those of the other models.
  func didSample(_ samples: [Sample]) {
    guard !isQuiet, !Interruption.isRequested, samples.first.map({ $0.step < total }) ?? false else { return }
    for sample in samples { say("\n\(title), step \(sample.step): \(sample.prompt)\(sample.text)\n") }
  }

  func didNotice(_ message: String) { say("\(title): \(message)") }

  /// Ends the line.
  mutating func didEnd() {
    guard !isQuiet else { return }
    writeWaiting()
    if redraws, lastDraw > 0 { Terminal.writeError("") }
  }
}
