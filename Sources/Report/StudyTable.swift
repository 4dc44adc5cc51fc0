internal import Foundation
public import NanoExperiments
internal import NanoTraining

/// A study's figures as text, one column a run.
public enum StudyTable {
  /// A figure; nil where no run has it.
  private typealias Figure = (label: String, text: @Sendable (RunResult) -> String?)

  private static let figures: [Figure] = [
    ("parameters", { grouped($0.parameters) }),
    ("active parameters", { grouped($0.activeParameters) }),
    ("best validation loss", { fixed($0.bestValidationLoss, 4) }),
    ("final validation loss", { fixed($0.finalValidationLoss, 4) }),
    ("final training loss", { fixed($0.finalTrainingLoss, 4) }),
    ("perplexity", { fixed($0.perplexity, 3) }),
    ("perplexity / million parameters", { fixed($0.parameterEfficiency, 2) }),
    ("bits per character", { fixed($0.bitsPerCharacter, 4) }),
    ("bits per byte", { fixed($0.bitsPerByte, 4) }),
    ("training step, mean (ms)", { fixed($0.trainStepMeanMs, 3) }),
    ("training step, median (ms)", { fixed($0.trainStepMedianMs, 3) }),
    ("step with evaluation, mean (ms)", { fixed($0.trainStepWithEvaluationMeanMs, 3) }),
    ("optimizers' share of it (%)", { fixed(100 * $0.updateShare, 1) }),
    ("inference, one batch (ms)", { $0.inferenceMeanMs.map { fixed($0, 3) } }),
    ("training tokens / s", { grouped(Int($0.tokensPerSecond)) }),
    ("training tokens", { grouped($0.trainingTokens) }),
    ("peak tensor memory (MB)", { fixed(Double($0.peakTensorBytes) / 1e6, 1) }),
    ("peak resident memory (MB)", { fixed(Double($0.peakResidentBytes) / 1e6, 1) }),
    ("resident growth / step (bytes)", { fixed($0.residentGrowthBytesPerStep, 0) }),
    ("training time (s)", { fixed($0.trainingSeconds, 1) }),
    ("total time (s)", { fixed($0.seconds, 1) }),
  ]

  /// The table, one line a figure.
  public static func text(_ results: StudyResults) -> String {
    let total = results.iterations
    let made: Figure = ("iterations", { madeText($0.completedIterations, of: total) })
    // Where all parameters are active that needs no line.
    let isSparse = results.models.contains { $0.activeParameters != $0.parameters }
    let shown = ([made] + figures).filter { figure in
      results.models.contains { figure.text($0) != nil } && (isSparse || figure.label != "active parameters")
    }
    let rows = shown.map {
      (label, text) -> TextTable<RunResult>.Row in (label, { text($0) ?? "-" })
    }
    return "Losses are in nats a \(results.corpus.unit).\n\n"
      + TextTable(rows: rows, columns: results.models, name: \.title).text
  }

  /// Every evaluation of every run, where they are few.
  public static func losses(_ results: StudyResults) -> String {
    let steps = Set(results.models.flatMap { $0.curve.map(\.step) }).sorted()
    // The first, the last, and some between them.
    let shown = steps.enumerated().filter { index, _ in
      steps.count <= 25 || index == steps.count - 1 || index % (steps.count / 20) == 0
    }.map(\.element)
    let rows: [TextTable<RunResult>.Row] = shown.map { step in
      (
        "step \(step)",
        { result in
          result.curve.first { $0.step == step }.map {
            "\(fixed($0.trainingLoss ?? .nan, 4)) / \(fixed($0.validation.nllPerToken, 4))"
          } ?? "-"
        }
      )
    }
    return "Training / validation loss, nats a \(results.corpus.unit)\n"
      + TextTable(rows: rows, columns: results.models, name: \.title).text
  }
}
