internal import Foundation
internal import NanoAutograd
internal import NanoData
internal import NanoLayers
internal import NanoModels
internal import NanoOptim
internal import NanoTensor

/// The state of a stories run between two steps, and what is done there.
struct StoriesLoop<Model: LanguageModel, Rule: Optimizer>: ~Copyable {
  private let run: StoriesRun
  private let parameterCounts: (all: Int, active: Int)
  private var state: ResumableTrainer<Model, Rule, StoriesPoint>
  private let log: MetricsLog
  private let evaluator: FullPassEvaluator

  private var configuration: StoriesConfiguration { run.configuration }

  /// Continues from the run's last checkpoint, or begins with fresh weights.
  init(_ run: StoriesRun, fresh: consuming Model, rule: Rule, pool: WorkerPool) throws {
    let counts = (all: fresh.parameterCount, active: fresh.activeParameterCount)
    let expertCounts = Self.selectionBiases(of: fresh).map(\.count)
    let state = try ResumableTrainer<Model, Rule, StoriesPoint>(
      run.checkpoints, fresh: consume fresh, rule: rule, schedule: run.configuration.learningRateSchedule,
      configuration: run.configuration.trainer(of: run.model), iterations: run.configuration.iterations,
      device: run.device, pool: pool)
    guard state.progress.loads.fit(expertCounts: expertCounts) else {
      throw run.checkpoints.refusal(of: state.progress.step, "loads of other experts")
    }
    let log = try MetricsLog(folder: run.folder, firstStep: state.progress.step)
    // Nothing throws from here on: a value that cannot be copied is made whole or not at all.
    self.run = run
    self.log = log
    self.state = state
    parameterCounts = counts
    evaluator = run.evaluator
  }

  var isAtEnd: Bool { state.progress.step == configuration.iterations }

  /// Of every mixture's experts.
  private static func selectionBiases(of model: Model) -> [[Float]] {
    model.namedParameters.filter { $0.name.hasSuffix("selection_biases") }
      .map(\.parameter.value.scalars)
  }

  // MARK: Between steps

  /// Evaluates, and keeps the model if it is the best so far.
  mutating func evaluateIfDue(_ observer: inout some StoriesObserver) throws {
    let step = state.progress.step
    guard step % configuration.evaluationInterval == 0 || isAtEnd,
      state.progress.curve.last?.step != step
    else { return }
    state.updateProgress()
    let windows = evaluator.evaluate(state.trainer.model, windows: configuration.evaluationWindows)
    let evaluation = isAtEnd ? evaluator.evaluate(state.trainer.model) : windows
    guard evaluation.nllPerToken.isFinite else {
      throw TrainingError.notFinite(step: step, tensor: "the validation loss")
    }
    let point = StoriesPoint(
      step: step, trainingLoss: state.progress.recentLosses.isEmpty ? nil : state.progress.recentLosses.mean,
      validation: evaluation, nllOfWindows: isAtEnd ? windows.nllPerToken : nil,
      trainingSeconds: state.progress.trainingSeconds, seconds: state.progress.totalSeconds)
    state.progress.curve.append(point)
    state.progress.recentLosses = []
    let isBest = isAtEnd ? try isBestInFullPass(point) : point.isBetterOnWindows(than: state.progress.best)
    if isBest {
      try ModelFolder.save(
        state.trainer.model, tokenizer: run.dataset.tokenizer, data: run.data, to: run.folder)
      state.progress.best = point
    }
    try observer.didEvaluate(point, of: configuration.iterations)
  }

  /// Whether the end's full pass is at least as good as one of the best weights so far, which were chosen on
  /// some windows.
  private mutating func isBestInFullPass(_ point: StoriesPoint) throws -> Bool {
    guard var best = state.progress.best else { return true }
    if best.validation.tokens < point.validation.tokens,
      let kept = try ModelFolder.load(run.folder).model as? Model
    {
      best.nllOfWindows = best.comparableNLL
      best.validation = evaluator.evaluate(kept.on(run.device))
      state.progress.best = best
    }
    return best.validation.nllPerToken >= point.validation.nllPerToken
  }

  func sampleIfDue(_ observer: inout some StoriesObserver) throws {
    guard let interval = configuration.sampleInterval, state.progress.step > 0,
      state.progress.step % interval == 0 || isAtEnd
    else { return }
    try observer.shouldSample(state.trainer.model.on(.cpu), step: state.progress.step)
  }

  mutating func saveCheckpointIfDue(now: Bool) throws {
    let step = state.progress.step
    guard now || configuration.checkpointInterval.map({ step % $0 == 0 }) ?? false else { return }
    try state.save(keeping: configuration.keptCheckpoints)
  }

  /// What the run came to; the memory that its steps needed goes back.
  mutating func result() -> StoriesResult {
    state.updateProgress()
    MemoryPool.shared.trim()
    return StoriesResult(
      model: run.model, Model.self, parameters: parameterCounts.all,
      activeParameters: parameterCounts.active, progress: state.progress,
      tokensPerStep: configuration.batchSize * configuration.contextLength)
  }

  // MARK: Steps

  /// Makes a step and logs it.
  mutating func step(_ observer: inout some StoriesObserver) throws {
    let (step, stepWatch) = (state.progress.step, Stopwatch())
    let report = try stepWithinMemory(&observer)
    let seconds = stepWatch.seconds
    state.progress.loads.add(report.statistics.routing)
    state.progress.recentLosses.append(report.loss)
    state.didStep(seconds: seconds, report)
    let record = record(of: report, step: step, seconds: seconds)
    try log.append(record)
    try observer.didStep(record, of: configuration.iterations)
  }

  /// One step; when memory is not enough, the same batch in twice as many micro-batches, then with
  /// activations recomputed.
  private mutating func stepWithinMemory(
    _ observer: inout some StoriesObserver
  ) throws -> StepReport {
    let batch = run.trainingBatch(state.trainer.stepCount)
    while true {
      do throws(TrainingError) {
        return try state.trainer.step(on: batch)
      } catch {
        guard case .memoryLimit(let step, let needed, let limit) = error else { throw error }
        MemoryPool.shared.trim()
        let need: String
        if needed > limit {
          need = "step \(step): more than \(limit / 1_000_000) MB of tensors"
        } else {
          // The system refused memory: others than tensors need some too.
          MemoryPool.shared.limit = needed / 4 * 3
          need = "step \(step): no more memory at \(needed / 1_000_000) MB of tensors"
        }
        if state.trainer.configuration.microBatchCount < configuration.batchSize {
          state.trainer.configuration.microBatchCount = min(
            2 * state.trainer.configuration.microBatchCount, configuration.batchSize)
          observer.didNotice(
            "\(need); trying again with \(state.trainer.configuration.microBatchCount) micro-batches")
        } else if !state.trainer.configuration.checkpointsActivations {
          state.trainer.configuration.checkpointsActivations = true
          observer.didNotice("\(need); trying again with activations recomputed")
        } else {
          throw error
        }
      }
    }
  }

  private func record(of report: StepReport, step: Int, seconds: Double) -> StepRecord {
    let mixture = configuration.decoder(of: run.model).sparseMoE
    let routing = report.statistics.routing
    let biases = Self.selectionBiases(of: state.trainer.model)
    let balanceLoss = routing.reduce(0) { $0 + $1.balanceLoss }
    let zLoss = routing.reduce(0) { $0 + $1.zLoss }
    let host = MemoryPool.shared.statistics
    let memory = run.device.memory ?? (currentBytes: host.currentBytes, peakBytes: host.peakBytes)
    return StepRecord(
      step: step,
      loss: report.loss + Double(mixture?.balanceLossCoefficient ?? 0) * balanceLoss
        + Double(mixture?.zLossCoefficient ?? 0) * zLoss,
      nll: report.loss, balanceLoss: balanceLoss, zLoss: zLoss,
      learningRate: Double(configuration.learningRate * report.learningRateFactor),
      muonLearningRate: configuration.optimizer(of: run.model) == .muon
        ? Double(configuration.muonLearningRate * report.learningRateFactor) : nil,
      gradientNorm: Double(report.gradientNorm),
      tokensPerSecond: Double(configuration.batchSize * configuration.contextLength) / seconds,
      seconds: seconds, updateSeconds: report.updateSeconds,
      currentTensorBytes: memory.currentBytes, peakTensorBytes: memory.peakBytes,
      residentBytes: ResidentMemory.currentBytes,
      microBatches: state.trainer.configuration.microBatchCount,
      checkpointsActivations: state.trainer.configuration.checkpointsActivations,
      lossScale: state.trainer.lossScale.map { Double($0.value) },
      mixtures: routing.indices.map { index in
        MixtureRecord(
          loads: routing[index].loads.map {
            Double($0) / Double(max(1, routing[index].loads.reduce(0, +)))
          },
          maximalViolation: routing[index].maximalViolation,
          loadEntropy: routing[index].loadEntropy, routerEntropy: routing[index].routerEntropy,
          deadExperts: state.progress.loads.deadExperts(ofMixture: index),
          largestBias: biases[index].max() ?? 0, smallestBias: biases[index].min() ?? 0,
          largestRouterLogit: routing[index].largestLogit)
      },
      largestAttentionLogits: report.statistics.attention.map { $0.largestLogits.max() ?? 0 })
  }
}
