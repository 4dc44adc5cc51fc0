internal import Foundation
internal import NanoExperiments

/// A figure of a run, as tables have it.
struct RunFigure: Sendable {
  var label: String
  /// In `results.json`.
  var key: String
  var digits: Int
  /// What it is shown times, such as a millionth for bytes.
  var scale = 1.0
  /// Nil where the run has none.
  var value: @Sendable (RunResult) -> Double?

  func text(_ result: RunResult) -> String? { text(meanOf: [result]) }

  /// The mean over the runs that have it.
  func text(meanOf results: [RunResult]) -> String? {
    // Of a model that was scored as it is nothing is known of steps.
    let values = results.filter { $0.completedIterations > 0 || !isOfSteps }.compactMap(value)
    guard !values.isEmpty else { return nil }
    let mean = values.reduce(0, +) / Double(values.count)
    guard digits == 0, abs(mean) < 1e15 else { return fixed(mean * scale, digits) }
    return grouped(Int((mean * scale).rounded()))
  }

  private var isOfSteps: Bool { key.hasPrefix("trainStep") || ["updateShare", "tokensPerSecond"].contains(key) }

  static let all: [RunFigure] = [
    RunFigure(label: "parameters", key: "parameters", digits: 0) { Double($0.parameters) },
    RunFigure(label: "active parameters", key: "activeParameters", digits: 0) { Double($0.activeParameters) },
    RunFigure(label: "best validation loss", key: "bestValidationLoss", digits: 4, value: \.bestValidationLoss),
    RunFigure(label: "final validation loss", key: "finalValidationLoss", digits: 4, value: \.finalValidationLoss),
    RunFigure(label: "final training loss", key: "finalTrainingLoss", digits: 4, value: \.finalTrainingLoss),
    RunFigure(label: "perplexity", key: "perplexity", digits: 3, value: \.perplexity),
    RunFigure(
      label: "perplexity / million parameters", key: "parameterEfficiency", digits: 2, value: \.parameterEfficiency),
    RunFigure(label: "bits per character", key: "bitsPerCharacter", digits: 4, value: \.bitsPerCharacter),
    RunFigure(label: "bits per byte", key: "bitsPerByte", digits: 4, value: \.bitsPerByte),
    RunFigure(label: "training step, mean (ms)", key: "trainStepMeanMs", digits: 3, value: \.trainStepMeanMs),
    RunFigure(label: "training step, median (ms)", key: "trainStepMedianMs", digits: 3, value: \.trainStepMedianMs),
    RunFigure(
      label: "step with evaluation, mean (ms)", key: "trainStepWithEvaluationMeanMs", digits: 3,
      value: \.trainStepWithEvaluationMeanMs),
    RunFigure(
      label: "optimizers' share of a training step (%)", key: "updateShare", digits: 1, scale: 100,
      value: \.updateShare),
    RunFigure(label: "inference, one batch (ms)", key: "inferenceMeanMs", digits: 3, value: \.inferenceMeanMs),
    RunFigure(label: "training tokens / s", key: "tokensPerSecond", digits: 0, value: \.tokensPerSecond),
    RunFigure(label: "training tokens", key: "trainingTokens", digits: 0) { Double($0.trainingTokens) },
    RunFigure(label: "peak tensor memory (MB)", key: "peakTensorBytes", digits: 1, scale: 1e-6) {
      Double($0.peakTensorBytes)
    },
    RunFigure(label: "peak resident memory (MB)", key: "peakResidentBytes", digits: 1, scale: 1e-6) {
      Double($0.peakResidentBytes)
    },
    RunFigure(
      label: "resident growth / step (bytes)", key: "residentGrowthBytesPerStep", digits: 0,
      value: \.residentGrowthBytesPerStep),
    RunFigure(label: "training time (s)", key: "trainingSeconds", digits: 1, value: \.trainingSeconds),
    RunFigure(label: "total time (s)", key: "seconds", digits: 1, value: \.seconds),
    RunFigure(label: "load of the machine, start", key: "loadAverageAtStart", digits: 1, value: \.loadAverageAtStart),
    RunFigure(label: "load of the machine, end", key: "loadAverageAtEnd", digits: 1, value: \.loadAverageAtEnd),
  ]

  /// Those that some run has; where all parameters are active that needs no line.
  static func shown(for results: [RunResult]) -> [RunFigure] {
    let isSparse = results.contains { $0.activeParameters != $0.parameters }
    return all.filter { figure in
      results.contains { figure.text($0) != nil } && (isSparse || figure.key != "activeParameters")
    }
  }
}
