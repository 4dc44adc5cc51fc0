public import NanoExperiments
public import NanoTraining

/// A run's curves for TensorBoard, beside its `metrics.csv`; of a study's folder it shows all runs.
///
/// A run that goes on has a new file, which voids what an earlier process wrote after the step that it goes on from.
public final class TensorBoardLog {
  private let file: EventFile

  /// - Parameter result: what the run, whose folder is `folder`, has come to so far.
  public init(folder: String, continuing result: RunResult) throws {
    let isFirst = EventFile.names(in: folder).isEmpty
    file = try EventFile(in: folder)
    let step = result.completedIterations
    if !isFirst { try file.appendStart(step: step) }
    // What the start voids, or no file has, and will not be evaluated again.
    for point in result.curve where isFirst || point.step >= step { try append(point) }
  }

  /// Losses are in nats a token, that of validation also in bits a character.
  public func append(_ point: EvaluationPoint) throws {
    try file.append(
      step: point.step,
      [
        ("evaluation/validation_nll", point.comparableNLL), ("evaluation/training_nll", point.trainingLoss),
        ("evaluation/bits_per_character", point.validation.bitsPerCharacter),
      ])
  }

  /// Bytes are millions of them: a float has seven digits.
  public func append(_ record: StepRecord) throws {
    try file.append(
      step: record.step,
      [
        ("training/loss", record.loss), ("training/nll", record.nll),
        ("training/gradient_norm", record.gradientNorm), ("training/learning_rate", record.learningRate),
        ("training/muon_learning_rate", record.muonLearningRate),
        ("training/tokens_per_second", record.tokensPerSecond),
        ("memory/tensors_MB", Double(record.currentTensorBytes) / 1e6),
        ("memory/resident_MB", Double(record.residentBytes) / 1e6),
        ("experts/maximal_violation", record.mixtures.map(\.maximalViolation).max()),
        ("experts/dead", record.mixtures.isEmpty ? nil : Double(record.mixtures.reduce(0) { $0 + $1.deadExperts })),
      ])
  }
}
