public import NanoData
internal import NanoModels
internal import NanoOptim
public import NanoTensor
internal import NanoTraining

/// What a run will cost, from a few steps that are made and timed.
public struct RunEstimate: Sendable {
  /// Parameters of the model, each number counted.
  public let parameters: Int
  /// Of the whole run, its evaluations included.
  public let seconds: Double

  /// - Throws: when the model cannot be made, or a step fails.
  public init(
    _ experiment: Experiment, corpus: Corpus, device: Device = .cpu, pool: WorkerPool = .shared
  ) throws {
    let model = try experiment.makeModel().on(device)
    parameters = model.parameterCount
    let run = Run(experiment, name: "estimate", corpus: corpus, folder: "", pool: pool)
    var trainer = Trainer(
      model, rule: experiment.optimizer.makeOptimizer(precision: experiment.precision),
      configuration: experiment.trainer, pool: pool)
    var times: [Double] = []
    for step in 0..<12 {
      let watch = Stopwatch()
      _ = try trainer.step(on: run.trainingBatch(step))
      times.append(watch.seconds)
    }
    // The first steps also make buffers.
    let step = times.dropFirst(4).sorted()[4]
    let evaluations = Double(experiment.iterations / experiment.evaluationInterval + 1)
    let batches: Double =
      switch experiment.evaluation {
      case .randomWindows(let count, let splits): evaluations * Double(count * splits.count)
      case .fullPass(let windows):
        // On the way, and at the end all of the text, for the best and for the last weights.
        (evaluations * Double(windows) + 2 * Double(corpus.validation.count / experiment.sequenceLength))
          / Double(experiment.batchSize)
      }
    // A forward is about a third of a step.
    seconds = step * (Double(experiment.iterations) + batches / 3)
  }
}
