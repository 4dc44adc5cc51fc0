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
  @OptionGroup var stories: StoriesOptions

  @Option(help: "The model: nanogpt, nanokimi; with --preset stories nanogpt, nanogpt-total, nanokimik2.")
  var model = StudyModel.nanoGPT.rawValue

  @Option(parsing: .unconditional, help: "Different characters of the random text; by default 65.")
  var vocabulary: Int?

  @Option(
    parsing: .unconditional,
    help: "Timed steps, after a tenth as many to warm up; by default 200, for stories 10.")
  var steps: Int?

  @OptionGroup var deviceOption: DeviceOption

  @Flag(help: "On a GPU, print where the time of a step goes, kernel by kernel.")
  var profile = false

  @Flag(help: "Print one JSON object.")
  var json = false

  private struct Report: Codable {
    var model: String
    var precision: Precision
    var parameters: Int
    var shards: Int
    var threads: Int
    var kernels: String
    /// `cpu`, or the GPU's name.
    var device: String
    var trainStepMedianMs: Double
    var trainStepMinMs: Double
    var forwardMedianMs: Double
    var forwardMinMs: Double
    var tokensPerSecond: Double
    /// The optimizers' share of a step.
    var updateShare: Double
    var peakTensorBytes: Int
    var peakResidentBytes: Int
  }

  func validate() throws {
    guard (1...1_000_000).contains(steps ?? 1) else {
      throw ValidationError("steps is \(steps!); it must be from 1 to 1000000")
    }
    guard study.models == nil else {
      throw ValidationError("bench step measures one model; name it with --model")
    }
    let unused = ["--iterations", "--eval-interval", "--eval-iters", "--memory-limit", "--schedule", "--warmup"]
    if let flag = (study.givenFlags + stories.givenFlags).first(where: unused.contains) {
      throw ValidationError("\(flag) has no part in a step that bench step measures; leave it out")
    }
  }

  func run() throws {
    let report =
      switch try study.presetName() {
      case .seed, .standard: try characterReport(study.configuration())
      case .stories: try storiesReport(stories.configuration(study))
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
            + "forward median %.3f ms (min %.3f), %.0f tokens/s; optimizers %.1f%% of the step; "
            + "tensors %.0f MB, resident %.0f MB", report.model, report.precision.rawValue,
          report.device == "cpu" ? report.kernels : report.device, report.parameters, report.shards, report.threads,
          report.trainStepMedianMs, report.trainStepMinMs, report.forwardMedianMs,
          report.forwardMinMs, report.tokensPerSecond, 100 * report.updateShare,
          Double(report.peakTensorBytes) / 1e6, Double(report.peakResidentBytes) / 1e6))
    }
  }

  // MARK: The two studies

  private func characterReport(_ configuration: StudyConfiguration) throws -> Report {
    try stories.requireStories()
    let chosen: StudyModel = try StudyOptions.choose(model, for: "model")!
    let vocabulary = vocabulary ?? 65
    let workload = Workload(
      precision: configuration.precision,
      trainer: configuration.trainer,
      vocabularySize: vocabulary, contextLength: configuration.contextLength,
      batchSize: configuration.batchSize, seed: configuration.seed, steps: steps ?? 200)
    var generator = RandomGenerator(seed: configuration.seed)
    let fresh = try Decoder(configuration.decoder(of: chosen, vocabularySize: vocabulary), using: &generator)
    switch chosen {
    case .nanoGPT:
      return try measure(fresh, rule: StudyRecipe.nanoGPT(learningRate: configuration.learningRate), workload)
    case .nanoKimi:
      return try measure(
        fresh,
        rule: StudyRecipe.nanoKimi(
          learningRate: configuration.learningRate,
          muonLearningRate: configuration.muonLearningRate, precision: configuration.precision),
        workload)
    }
  }

  private func storiesReport(_ configuration: StoriesConfiguration) throws -> Report {
    guard vocabulary == nil else {
      throw ValidationError("--vocabulary is of the character study; stories have --vocab")
    }
    let chosen: StoriesModel = try StudyOptions.choose(model, for: "model")!
    let workload = Workload(
      precision: configuration.precision, trainer: configuration.trainer(of: chosen),
      vocabularySize: configuration.vocabularySize, contextLength: configuration.contextLength,
      batchSize: configuration.batchSize, seed: configuration.seed, steps: steps ?? 10)
    var generator = RandomGenerator(seed: configuration.seed)
    let fresh = try Decoder(configuration.decoder(of: chosen), using: &generator)
    return switch configuration.optimizer(of: chosen) {
    case .adamW: try measure(fresh, rule: configuration.adamWRule, workload)
    case .muon: try measure(fresh, rule: configuration.muonRule, workload)
    }
  }

  // MARK: Measuring

  private struct Workload {
    var precision: Precision
    var trainer: TrainerConfiguration
    var vocabularySize: Int
    var contextLength: Int
    var batchSize: Int
    var seed: UInt64
    var steps: Int
  }

  private func measure(
    _ fresh: Decoder, rule: some Optimizer, _ workload: Workload
  ) throws -> Report {
    var generator = RandomGenerator(seed: workload.seed)
    let tokens = (0..<200_000).map { _ in
      Int32(generator.nextInt(below: workload.vocabularySize))
    }
    let dataset = try TextDataset(tokens: tokens, contextLength: workload.contextLength)
    func batch() -> TokenBatch {
      dataset.batch(
        of: .training, sequenceCount: workload.batchSize, sequenceLength: workload.contextLength,
        using: &generator)
    }
    let parameters = fresh.parameterCount
    let device = try deviceOption.resolved(precision: workload.precision)
    MemoryPool.shared.resetPeak()
    device.resetPeak()
    var trainer = Trainer(fresh.on(device), rule: rule, configuration: workload.trainer)
    var times: [(step: Double, update: Double)] = []
    for _ in 0..<workload.steps + max(device.isCPU ? 1 : 5, workload.steps / 10) {
      let watch = Stopwatch()
      let report = try trainer.step(on: batch())
      times.append((watch.seconds, report.updateSeconds))
    }
    if profile {
      _ = try trainer.step(on: batch())
      let entries = try device.profiling { _ = try trainer.step(on: batch()) }
      let total = entries.reduce(0) { $0 + $1.milliseconds }
      print(String(format: "One step, launch by launch: %.3f ms", total))
      for entry in entries {
        print(
          String(
            format: "%9.3f ms %5.1f%% %5d × ", entry.milliseconds, 100 * entry.milliseconds / total, entry.count)
            + entry.name)
      }
    }
    let stepTimes = times.suffix(workload.steps).map(\.step)
    let peakTensorBytes = device.memory?.peakBytes ?? MemoryPool.shared.statistics.peakBytes
    let forwardTimes = InferenceTimer(
      shardCount: workload.trainer.shardCount, precision: workload.precision
    ).times(of: trainer.model, on: batch(), count: workload.steps)
    return Report(
      model: model, precision: workload.precision, parameters: parameters,
      shards: workload.trainer.shardCount, threads: WorkerPool.shared.threadCount,
      kernels: Machine.current.kernels, device: device.description, trainStepMedianMs: stepTimes.median * 1e3,
      trainStepMinMs: stepTimes.min()! * 1e3, forwardMedianMs: forwardTimes.median * 1e3,
      forwardMinMs: forwardTimes.min()! * 1e3,
      tokensPerSecond: Double(workload.batchSize * workload.contextLength) / stepTimes.median,
      updateShare: times.suffix(workload.steps).map { $0.update / $0.step }.median,
      peakTensorBytes: peakTensorBytes, peakResidentBytes: ResidentMemory.peakBytes)
  }
}
