import ArgumentParser
import Foundation
import NanoAutograd
import NanoData
import NanoExperiments
import NanoModels
import NanoOptim
import NanoTensor
import NanoTraining
import OperationBenchmarks

/// `bench-cli bench step`: median and minimum time of a whole training step and of a forward.
struct BenchStepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Time a training step (batch, forward, backward, optimizers) and a forward.",
    discussion: CommandConfiguration.examples(
      "bench step --model nanokimi --precision bf16", "bench step --preset stories --model nanokimik2 --size 10M"))

  @OptionGroup(title: "Model") var preset: PresetOptions
  @OptionGroup(title: "Model") var model: OneModelOption
  @OptionGroup(title: "Parts and sizes of models") var models: ModelOptions
  @OptionGroup(title: "Optimizer") var optimizers: OptimizerOptions
  @OptionGroup(title: "Step") var training: StepOptions

  @Option("Pieces of a story's tokenizer", "count", default: "4096")
  var vocab: Int?

  @Option("Different characters of the random text", "count", default: "65")
  var vocabulary: Int?

  @Option("Timed steps, after a tenth as many to warm up", "count", default: "200; of stories 10")
  var steps: Int?

  @OptionGroup(title: "Device") var deviceOption: DeviceOption

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
    /// The optimizers' share of a step; nil on a GPU, where a step is one piece of work.
    var updateShare: Double?
    /// That all threads reach with arithmetic alone, measured between steps and forwards; nil on a GPU.
    var peakGFLOPS: Double?
    /// Of that, what the multiplications of a step and of a forward come to: MFU.
    var trainStepUtilization: Double?
    var forwardUtilization: Double?
    var peakTensorBytes: Int
    var peakResidentBytes: Int

    var utilization: String? {
      guard let peakGFLOPS, let trainStepUtilization, let forwardUtilization else { return nil }
      return String(
        format: "%.0f%% and %.0f%% of the %.0f GFLOP/s that arithmetic alone reaches; ", 100 * trainStepUtilization,
        100 * forwardUtilization, peakGFLOPS)
    }
  }

  func validate() throws {
    guard (1...1_000_000).contains(steps ?? 1) else {
      throw ValidationError("steps is \(steps!); it must be from 1 to 1000000")
    }
  }

  func run() throws {
    let builder = try StudyBuilder(
      preset: preset.preset, models: try model.name(of: preset),
      flags: models.givenFlags + optimizers.givenFlags + training.givenFlags)
    let isOfStories = builder.preset == .stories
    guard isOfStories ? vocabulary == nil : vocab == nil else {
      throw ValidationError(
        isOfStories
          ? "--vocabulary is of the character study; stories have --vocab"
          : "--vocab is of stories; the character study has --vocabulary")
    }
    let made = try builder.newStudy(
      corpus: CorpusRecipe(builder.preset.corpusKind), vocabulary: vocab ?? vocabulary)
    try made.validate()
    let planned = made.runs[0]
    let report = try measure(
      planned.arm.name, planned.experiment, try planned.experiment.makeModel(), steps ?? (isOfStories ? 10 : 200))
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      print(String(decoding: try encoder.encode(report), as: UTF8.self))
    } else {
      print(
        String(
          format:
            "%@ %@ %@, %d parameters, %d shards on %d threads: step median %.3f ms (min %.3f), "
            + "forward median %.3f ms (min %.3f), %.0f tokens/s; %@%@"
            + "tensors %.0f MB, resident %.0f MB", report.model, report.precision.rawValue,
          report.device == "cpu" ? report.kernels : report.device, report.parameters, report.shards, report.threads,
          report.trainStepMedianMs, report.trainStepMinMs, report.forwardMedianMs,
          report.forwardMinMs, report.tokensPerSecond,
          report.utilization ?? "",
          report.updateShare.map { String(format: "optimizers %.1f%% of the step; ", 100 * $0) } ?? "",
          Double(report.peakTensorBytes) / 1e6, Double(report.peakResidentBytes) / 1e6))
    }
  }

  // MARK: Measuring

  private func measure(
    _ name: String, _ experiment: Experiment, _ fresh: consuming Decoder, _ steps: Int
  ) throws -> Report {
    var generator = RandomGenerator(seed: experiment.seed)
    let tokens = (0..<200_000).map { _ in Int32(generator.nextInt(below: experiment.model.vocabularySize)) }
    guard experiment.sequenceLength < tokens.count / 2 else {
      throw ValidationError("context is \(experiment.sequenceLength); it must be below 100000 here")
    }
    let text = TokenizedText(tokens[..<Corpus.trainingCount(of: tokens.count)], byteCount: tokens.count, before: 0)
    func batch() -> TokenBatch {
      text.batch(
        sequenceCount: experiment.batchSize, sequenceLength: experiment.sequenceLength, using: &generator)
    }
    let parameters = fresh.parameterCount
    let device = try deviceOption.resolved(
      precision: experiment.precision, dropout: experiment.dropout, model: experiment.model)
    guard !profile || !device.isCPU else {
      throw ValidationError("--profile is of a GPU, and this is computed on the CPU")
    }
    MemoryPool.shared.resetPeak()
    device.resetPeak()
    var trainer = Trainer(
      (consume fresh).on(device), rule: experiment.optimizer.makeOptimizer(precision: experiment.precision),
      configuration: experiment.trainer)
    var times: [(step: Double, update: Double)] = []
    for _ in 0..<steps + max(device.isCPU ? 1 : 5, steps / 10) {
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
    let stepTimes = times.suffix(steps).map(\.step)
    let peakTensorBytes = device.memory?.peakBytes ?? MemoryPool.shared.statistics.peakBytes
    // Of the text's tokens times the parameters that each meets, and of attention.
    let operations = Double(
      experiment.trainingFLOPsPerToken(activeParameters: trainer.model.activeParameterCount) * experiment.tokensPerStep)
    let peak = device.isCPU ? OperationBenchmark.peakGFLOPSOfAllThreads(bf16: experiment.precision == .bfloat16) : nil
    func utilization(_ operations: Double, _ seconds: Double) -> Double? {
      peak.map { operations / seconds / $0 * 1e-9 }
    }
    let forwardTimes = InferenceTimer(
      shardCount: experiment.shardCount, precision: experiment.precision
    ).times(of: trainer.model, on: batch(), count: steps)
    return Report(
      model: name, precision: experiment.precision, parameters: parameters,
      shards: experiment.shardCount, threads: WorkerPool.shared.threadCount,
      kernels: Machine.current.kernels, device: device.description, trainStepMedianMs: stepTimes.median * 1e3,
      trainStepMinMs: stepTimes.min()! * 1e3, forwardMedianMs: forwardTimes.median * 1e3,
      forwardMinMs: forwardTimes.min()! * 1e3,
      tokensPerSecond: Double(experiment.tokensPerStep) / stepTimes.median,
      updateShare: device.isCPU ? times.suffix(steps).map { $0.update / $0.step }.median : nil,
      peakGFLOPS: peak, trainStepUtilization: utilization(operations, stepTimes.median),
      forwardUtilization: utilization(operations / 3, forwardTimes.median),
      peakTensorBytes: peakTensorBytes, peakResidentBytes: ResidentMemory.peakBytes)
  }
}
