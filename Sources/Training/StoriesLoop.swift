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
  private var trainer: Trainer<Model, Rule>
  private var progress: Checkpoint.Progress
  private let log: MetricsLog
  private let evaluator: FullPassEvaluator
  /// Seconds of everything since this process began the loop, and those before.
  private let watch = Stopwatch()
  private let earlierSeconds: Double

  private var configuration: StoriesConfiguration { run.configuration }

  /// Continues from the run's last checkpoint, or begins with fresh weights.
  init(_ run: StoriesRun, fresh: consuming Model, rule: Rule, pool: WorkerPool) throws {
    MemoryPool.shared.resetPeak()
    ResidentMemory.resetPeak()
    let saved = try run.checkpoints.last()
    var progress =
      saved?.progress
      ?? Checkpoint.Progress(step: 0, trainer: run.configuration.trainer(of: run.model))
    if saved == nil { progress.residentBytesAtStart = ResidentMemory.currentBytes }
    let counts = (all: fresh.parameterCount, active: fresh.activeParameterCount)
    if let saved {
      try fresh.loadWeights(
        Dictionary(uniqueKeysWithValues: saved.weights.map { ($0.name, $0.tensor) }))
    }
    run.device.resetPeak()
    fresh.move(to: run.device)
    var trainer = Trainer(
      consume fresh, rule: rule, schedule: run.configuration.learningRateSchedule,
      configuration: progress.trainer, pool: pool)
    if let saved {
      try trainer.restore(
        stepCount: progress.step, lossScale: progress.lossScale, optimizer: saved.optimizer)
    }
    let log = try MetricsLog(folder: run.folder, firstStep: progress.step)
    // Nothing throws from here on: a value that cannot be copied is made whole or not at all.
    self.run = run
    self.log = log
    self.trainer = trainer
    parameterCounts = counts
    evaluator = run.evaluator
    earlierSeconds = progress.totalSeconds
    self.progress = progress
  }

  var isAtEnd: Bool { progress.step == configuration.iterations }

  /// Brings what grows by itself up to date.
  private mutating func updateProgress() {
    progress.totalSeconds = earlierSeconds + watch.seconds
    progress.peakTensorBytes = max(
      progress.peakTensorBytes, run.device.memory?.peakBytes ?? MemoryPool.shared.statistics.peakBytes)
    progress.peakResidentBytes = max(progress.peakResidentBytes, ResidentMemory.peakBytes)
  }

  // MARK: Between steps

  /// Evaluates, and keeps the model if it is the best so far.
  mutating func evaluateIfDue(_ observer: inout some StoriesObserver) throws {
    let step = progress.step
    guard step % configuration.evaluationInterval == 0 || isAtEnd,
      progress.curve.last?.step != step
    else { return }
    updateProgress()
    let windows = evaluator.evaluate(trainer.model, windows: configuration.evaluationWindows)
    let evaluation = isAtEnd ? evaluator.evaluate(trainer.model) : windows
    guard evaluation.nllPerToken.isFinite else {
      throw TrainingError.notFinite(step: step, tensor: "the validation loss")
    }
    let point = StoriesPoint(
      step: step, trainingLoss: progress.recentLosses.isEmpty ? nil : progress.recentLosses.mean,
      validation: evaluation, nllOfWindows: isAtEnd ? windows.nllPerToken : nil,
      trainingSeconds: progress.trainingSeconds, seconds: progress.totalSeconds)
    progress.curve.append(point)
    progress.recentLosses = []
    let isBest = isAtEnd ? try isBestInFullPass(point) : point.isBetter(than: progress.best)
    if isBest {
      try ModelFolder.save(trainer.model, tokenizer: run.dataset.tokenizer, to: run.folder)
      progress.best = point
    }
    try observer.didEvaluate(point, of: configuration.iterations)
  }

  /// Whether the end's full pass is at least as good as one of the best weights so far, which were chosen on
  /// some windows.
  private mutating func isBestInFullPass(_ point: StoriesPoint) throws -> Bool {
    guard var best = progress.best else { return true }
    if best.validation.tokens < point.validation.tokens,
      let kept = try ModelFolder.load(run.folder).model as? Model
    {
      best.validation = evaluator.evaluate(kept.on(run.device))
      progress.best = best
    }
    return !best.isBetter(than: point)
  }

  func sampleIfDue(_ observer: inout some StoriesObserver) throws {
    guard let interval = configuration.sampleInterval, progress.step > 0,
      progress.step % interval == 0 || isAtEnd
    else { return }
    try observer.shouldSample(trainer.model.on(.cpu), step: progress.step)
  }

  func saveCheckpointIfDue(now: Bool) throws {
    let step = progress.step
    guard now || configuration.checkpointInterval.map({ step % $0 == 0 }) ?? false else { return }
    var progress = progress
    progress.totalSeconds = earlierSeconds + watch.seconds
    try run.checkpoints.save(
      Checkpoint(
        progress: progress, weights: trainer.model.weights, optimizer: trainer.optimizerSnapshot),
      keeping: configuration.keptCheckpoints)
  }

  /// What the run came to; the memory that its steps needed goes back.
  mutating func result() -> StoriesResult {
    updateProgress()
    MemoryPool.shared.trim()
    return StoriesResult(
      model: run.model, Model.self, parameters: parameterCounts.all,
      activeParameters: parameterCounts.active, progress: progress,
      tokensPerStep: configuration.batchSize * configuration.contextLength)
  }

  // MARK: Steps

  /// Makes a step and logs it.
  mutating func step(_ observer: inout some StoriesObserver) throws {
    let (step, stepWatch) = (progress.step, Stopwatch())
    let report = try stepWithinMemory(&observer)
    let seconds = stepWatch.seconds
    progress.step += 1
    progress.trainer = trainer.configuration
    progress.lossScale = trainer.lossScale
    progress.loads.add(report.statistics.routing)
    progress.recentStepSeconds = progress.recentStepSeconds.suffix(999) + [seconds]
    progress.trainingSeconds += seconds
    progress.updateSeconds += report.updateSeconds
    progress.recentLosses.append(report.loss)
    updateProgress()
    let record = record(of: report, step: step, seconds: seconds)
    try log.append(record)
    try observer.didStep(record, of: configuration.iterations)
  }

  /// One step; when memory is not enough, the same batch in twice as many micro-batches, then with
  /// activations recomputed.
  private mutating func stepWithinMemory(
    _ observer: inout some StoriesObserver
  ) throws -> StepReport {
    let batch = run.trainingBatch(trainer.stepCount)
    while true {
      do throws(TrainingError) {
        return try trainer.step(on: batch)
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
        if trainer.configuration.microBatchCount < configuration.batchSize {
          trainer.configuration.microBatchCount = min(
            2 * trainer.configuration.microBatchCount, configuration.batchSize)
          observer.didNotice(
            "\(need); trying again with \(trainer.configuration.microBatchCount) micro-batches")
        } else if !trainer.configuration.checkpointsActivations {
          trainer.configuration.checkpointsActivations = true
          observer.didNotice("\(need); trying again with activations recomputed")
        } else {
          throw error
        }
      }
    }
  }

  private func record(of report: StepReport, step: Int, seconds: Double) -> StepRecord {
    let mixture = configuration.kimi.mixture
    let routing = report.statistics.routing
    let biases = trainer.model.namedParameters.filter { $0.name.hasSuffix("selection_biases") }
      .map(\.parameter.value.scalars)
    let balanceLoss = routing.reduce(0) { $0 + $1.balanceLoss }
    let zLoss = routing.reduce(0) { $0 + $1.zLoss }
    let host = MemoryPool.shared.statistics
    let memory = run.device.memory ?? (currentBytes: host.currentBytes, peakBytes: host.peakBytes)
    return StepRecord(
      step: step,
      loss: report.loss + Double(mixture.balanceLossCoefficient) * balanceLoss
        + Double(mixture.zLossCoefficient) * zLoss,
      nll: report.loss, balanceLoss: balanceLoss, zLoss: zLoss,
      learningRate: Double(configuration.learningRate * report.learningRateFactor),
      muonLearningRate: configuration.optimizer(of: run.model) == .muon
        ? Double(configuration.muonLearningRate * report.learningRateFactor) : nil,
      gradientNorm: Double(report.gradientNorm),
      tokensPerSecond: Double(configuration.batchSize * configuration.contextLength) / seconds,
      seconds: seconds, updateSeconds: report.updateSeconds,
      currentTensorBytes: memory.currentBytes, peakTensorBytes: memory.peakBytes,
      residentBytes: ResidentMemory.currentBytes,
      microBatches: trainer.configuration.microBatchCount,
      checkpointsActivations: trainer.configuration.checkpointsActivations,
      lossScale: trainer.lossScale.map { Double($0.value) },
      mixtures: routing.indices.map { index in
        MixtureRecord(
          loads: routing[index].loads.map {
            Double($0) / Double(max(1, routing[index].loads.reduce(0, +)))
          },
          maximalViolation: routing[index].maximalViolation,
          loadEntropy: routing[index].loadEntropy, routerEntropy: routing[index].routerEntropy,
          deadExperts: progress.loads.deadExperts(ofMixture: index),
          largestBias: biases[index].max() ?? 0, smallestBias: biases[index].min() ?? 0,
          largestRouterLogit: routing[index].largestLogit)
      },
      largestAttentionLogits: report.statistics.attention.map { $0.largestLogits.max() ?? 0 })
  }
}
