import Foundation
import NanoAutograd
import NanoData
import NanoModels
import NanoTensor
import NanoTraining

/// Shows a stories run as it goes: a bar on a terminal, lines elsewhere, the loss table and samples if wanted.
struct StoriesDisplay: StoriesObserver {
  let model: StoriesModel
  let dataset: StoriesDataset
  let folder: String
  let seed: UInt64
  let isQuiet: Bool
  let tableInterval: Int?
  private let start = Stopwatch()
  private var firstStep: Int?
  private var bar: ProgressBar
  private var lastEvaluation: StoriesPoint?

  init(
    model: StoriesModel, dataset: StoriesDataset, folder: String, seed: UInt64, isQuiet: Bool,
    tableInterval: Int?
  ) {
    self.model = model
    self.dataset = dataset
    self.folder = folder
    self.seed = seed
    self.isQuiet = isQuiet
    self.tableInterval = tableInterval
    bar = ProgressBar(model.displayName)
  }

  mutating func didStep(_ record: StepRecord, of total: Int) {
    if firstStep == nil { firstStep = record.step }
    guard !isQuiet else { return }
    if let tableInterval, record.step % tableInterval == 0 { writeTableLine(record) }
    guard Terminal.isInteractive else { return }
    let validation =
      lastEvaluation.map { String(format: "val %.3f  ", $0.validation.nllPerToken) } ?? ""
    bar.draw(
      done: record.step + 1, of: total, made: record.step + 1 - firstStep!, elapsed: start.seconds,
      details: String(format: "loss %.3f  ", record.nll) + validation
        + String(format: "%.0f tokens/s", record.tokensPerSecond))
  }

  private func writeTableLine(_ record: StepRecord) {
    Terminal.writeError(
      String(
        format: "%@ step %6d  loss %.4f  balance %.4f  z %.4f  lr %.2e  norm %.3f  violation %.2f  "
          + "dead %d  logit %.1f  %.0f tokens/s  %.0f MB", model.displayName, record.step, record.nll,
        record.balanceLoss, record.zLoss, record.learningRate, record.gradientNorm,
        record.mixtures.map(\.maximalViolation).max() ?? 0,
        record.mixtures.reduce(0) { $0 + $1.deadExperts },
        record.largestAttentionLogits.max() ?? 0, record.tokensPerSecond,
        Double(record.peakTensorBytes) / 1e6))
  }

  mutating func didEvaluate(_ point: StoriesPoint, of total: Int) {
    lastEvaluation = point
    guard !isQuiet, !Terminal.isInteractive else { return }
    let training = point.trainingLoss.map { String(format: "training %.4f  ", $0) } ?? ""
    Terminal.writeError(
      String(format: "%@ %6d/%d  ", model.displayName, point.step, total) + training
        + String(
          format: "validation %.4f  %.4f bits/character  %.0f s", point.validation.nllPerToken,
          point.validation.bitsPerCharacter, point.seconds))
  }

  mutating func shouldSample(_ model: some LanguageModel, step: Int) throws {
    let samples = try StorySamples.write(
      model, tokenizer: dataset.tokenizer, step: step, seed: seed, folder: folder)
    guard !isQuiet else { return }
    for sample in samples {
      Terminal.writeError("\n\(self.model.displayName), step \(step): \(sample.prompt)\(sample.text)\n")
    }
  }

  mutating func didNotice(_ message: String) {
    Terminal.writeError("\(model.displayName): \(message)")
  }

  /// Ends the bar's line.
  func finish() {
    if !isQuiet, Terminal.isInteractive { Terminal.writeError("") }
  }
}
