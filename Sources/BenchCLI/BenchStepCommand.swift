import ArgumentParser
import Foundation
import NanoAutograd
import NanoData
import NanoModels
import NanoOptim
import NanoTensor
import NanoTraining

/// `bench-cli bench step`: median and minimum time of a whole training step and of a forward.
struct BenchStepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Time a training step (batch, forward, backward, optimizers) and a forward.")

  @OptionGroup var study: StudyOptions

  @Option(help: "The model: \(StudyModel.allCases.map(\.rawValue).joined(separator: ", ")).")
  var model = StudyModel.nanoGPT.rawValue

  @Option(parsing: .unconditional, help: "Different characters of the random text.")
  var vocabulary = 65

  @Option(parsing: .unconditional, help: "Timed steps, after a tenth as many to warm up.")
  var steps = 200

  @Flag(help: "Print one JSON object.")
  var json = false

  private struct Report: Codable {
    var model: String
    var precision: Precision
    var parameters: Int
    var shards: Int
    var threads: Int
    var kernels: String
    var trainStepMedianMs: Double
    var trainStepMinMs: Double
    var forwardMedianMs: Double
    var forwardMinMs: Double
    var tokensPerSecond: Double
  }

  func run() throws {
    let configuration = try study.configuration()
    let chosen: StudyModel = try StudyOptions.choose(model, for: "model")!
    guard (1...1_000_000).contains(steps) else {
      throw ValidationError("steps is \(steps); it must be from 1 to 1000000")
    }
    let report =
      switch chosen {
      case .nanoGPT:
        try measure(
          NanoGPT.self, configuration,
          rule: StudyRecipe.nanoGPT(learningRate: configuration.learningRate))
      case .nanoKimi:
        try measure(
          NanoKimi.self, configuration,
          rule: StudyRecipe.nanoKimi(
            learningRate: configuration.learningRate,
            muonLearningRate: configuration.muonLearningRate, precision: configuration.precision))
      }
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      print(String(decoding: try encoder.encode(report), as: UTF8.self))
    } else {
      print(
        String(
          format:
            "%@ %@ %@, %d parameters, %d shards on %d threads: step median %.3f ms (min %.3f), "
            + "forward median %.3f ms (min %.3f), %.0f tokens/s", report.model,
          report.precision.rawValue, report.kernels, report.parameters, report.shards,
          report.threads,
          report.trainStepMedianMs, report.trainStepMinMs, report.forwardMedianMs,
          report.forwardMinMs, report.tokensPerSecond))
    }
  }

  private func measure<Model: LanguageModel>(
    _ type: Model.Type, _ configuration: StudyConfiguration, rule: some Optimizer
  ) throws -> Report where Model.Configuration == CharacterModelConfiguration {
    let modelConfiguration = configuration.modelConfiguration(vocabularySize: vocabulary)
    try modelConfiguration.validate()
    var generator = RandomGenerator(seed: configuration.seed)
    let tokens = (0..<200_000).map { _ in Int32(generator.nextInt(below: vocabulary)) }
    let dataset = try TextDataset(tokens: tokens, contextLength: configuration.contextLength)
    let run = ModelRun(configuration, dataset: dataset)
    let fresh = try run.makeModel(type, modelConfiguration)
    let parameters = fresh.parameterCount
    var trainer = Trainer(
      fresh, rule: rule,
      configuration: TrainerConfiguration(
        shardCount: configuration.shardCount, precision: configuration.precision))
    var times: [Double] = []
    for step in 0..<steps + max(1, steps / 10) {
      let watch = Stopwatch()
      _ = try trainer.step(on: run.trainingBatch(step))
      times.append(watch.seconds)
    }
    let stepTimes = times.suffix(steps)
    let forwardTimes = run.inferenceTimes(of: trainer.model, count: steps)
    return Report(
      model: Model.identifier, precision: configuration.precision, parameters: parameters,
      shards: configuration.shardCount, threads: WorkerPool.shared.threadCount,
      kernels: Machine.current.kernels, trainStepMedianMs: stepTimes.median * 1e3,
      trainStepMinMs: stepTimes.min()! * 1e3, forwardMedianMs: forwardTimes.median * 1e3,
      forwardMinMs: forwardTimes.min()! * 1e3,
      tokensPerSecond: Double(configuration.batchSize * configuration.contextLength)
        / stepTimes.median)
  }
}
