internal import Foundation
internal import NanoAutograd
internal import NanoCommunication
internal import NanoData
internal import NanoLayers
internal import NanoModels
internal import NanoOptim
internal import NanoTensor
internal import NanoTraining

/// The state of a run between two steps, and what is done there.
struct RunLoop: ~Copyable {
  private let run: Run
  private let parameterCounts: (all: Int, active: Int)
  private let learningRates: (adamW: Float, muon: Float?)
  private var state: ResumableTrainer<Decoder, AnyOptimizer>
  private let replicas: RunReplicas
  private let log: MetricsLog
  private let evaluator: Evaluator
  private let loadAverageAtStart = Machine.loadAverage

  private var experiment: Experiment { run.experiment }

  /// Continues from the run's last checkpoint, or begins with fresh weights.
  init(_ run: Run, fresh: consuming Decoder) throws {
    let experiment = run.experiment
    let counts = (all: fresh.parameterCount, active: fresh.activeParameterCount)
    let expertCounts = Self.selectionBiases(of: fresh).map(\.count)
    let state = try ResumableTrainer(
      run.checkpoints, fresh: consume fresh, rule: experiment.makeOptimizer(),
      schedule: experiment.schedule.schedule(steps: experiment.iterations), configuration: experiment.trainer,
      iterations: experiment.iterations, device: run.device, pool: run.pool, communicator: run.communicator)
    guard state.progress.loads.fit(expertCounts: expertCounts) else {
      throw run.checkpoints.refusal(of: state.progress.step, "loads of other experts")
    }
    let interval = experiment.recordInterval
    let log = try MetricsLog(
      folder: run.folder, continuingAfter: (state.progress.step + interval - 1) / interval)
    // Nothing throws from here on: a value that cannot be copied is made whole or not at all.
    self.run = run
    self.log = log
    self.state = state
    replicas = RunReplicas(of: experiment, run.communicator)
    self.state.trainer.distributeState()
    parameterCounts = counts
    let groups = experiment.optimizer.groups
    learningRates = (
      (groups.first { !$0.rule.isOfMuonFamily } ?? groups[0]).rule.learningRate,
      groups.first { $0.rule.isOfMuonFamily }?.rule.learningRate
    )
    evaluator = Evaluator(
      experiment, corpus: run.corpus, generator: experiment.generator(of: .evaluation), pool: run.pool,
      communicator: run.communicator)
  }

  var isAtEnd: Bool { state.progress.step == experiment.iterations }

  /// Of every mixture's experts.
  private static func selectionBiases(of model: Decoder) -> [[Float]] {
    var (copy, biases) = (model, [[Float]]())
    copy.visitParameters(.root(wanted: false)) { _, parameter in
      if parameter.role == .state { biases.append(parameter.value.scalars) }
    }
    return biases
  }

  // MARK: Between steps

  /// Evaluates, and keeps the model if it is the best so far.
  mutating func evaluateIfDue(_ observer: inout some RunObserver) throws {
    let step = state.progress.step
    guard evaluator.policy.isDue(at: step, interval: experiment.evaluationInterval, of: experiment.iterations),
      state.progress.curve.last?.step != step
    else { return }
    state.updateProgress()
    let watch = Stopwatch()
    let model = evaluatedModel
    let evaluator = evaluator
    let found = replicas.evaluating(model) { evaluator.evaluate(model, step: step) }
    state.progress.evaluationSeconds += watch.seconds
    guard found.validation.nllPerToken.isFinite else {
      throw TrainingError.notFinite(step: step, tensor: "the validation loss")
    }
    let recent = state.progress.recentLosses
    let point = EvaluationPoint(
      step: step, trainingLoss: found.trainingLoss ?? (recent.isEmpty ? nil : recent.mean),
      validation: found.validation, nllOfWindows: found.nllOfWindows,
      trainingSeconds: state.progress.trainingSeconds, seconds: state.progress.totalSeconds)
    state.progress.curve.append(point)
    state.progress.recentLosses = []
    if try isBest(point) {
      try ModelFolder.save(
        model, tokenizer: run.corpus.tokenizer, data: run.corpus.record, to: run.folder)
      state.progress.best = point
    }
    try observer.didEvaluate(point, of: experiment.iterations)
    try observer.didProgress(resultSoFar)
  }

  /// That of the last step; in the run's last evaluation with the averaged weights, if there are such.
  private var evaluatedModel: Decoder {
    guard state.progress.step >= experiment.iterations - 1,
      experiment.averagingStart.map({ $0 < state.progress.step }) ?? false
    else { return state.trainer.model }
    return replicas.sendingOptimizerState { state.trainer.averagedModel } ?? state.trainer.model
  }

  /// Whether no evaluation before was better. A full pass at the end is set against one of the best weights so far,
  /// which were chosen on some windows.
  private mutating func isBest(_ point: EvaluationPoint) throws -> Bool {
    guard var best = state.progress.best else { return true }
    let evaluator = evaluator
    guard point.nllOfWindows != nil else { return point.comparableNLL < best.comparableNLL }
    if best.nllOfWindows == nil, let kept = try bestModel(),
      let evaluation = replicas.evaluating(kept, { evaluator.fullScore(of: kept) })
    {
      best.nllOfWindows = best.comparableNLL
      best.validation = evaluation
      state.progress.best = best
    }
    return best.validation.nllPerToken >= point.validation.nllPerToken
  }

  /// The weights that are kept, on the device.
  private func bestModel() throws -> Decoder? {
    guard state.progress.best != nil else { return nil }
    return try (ModelFolder.load(run.folder).model as? Decoder)?.on(run.device)
  }

  mutating func sampleIfDue(_ observer: inout some RunObserver) throws {
    guard let interval = experiment.samples.interval, state.progress.step > 0,
      state.progress.step % interval == 0 || isAtEnd
    else { return }
    try sample(state.trainer.model.on(.cpu), &observer)
  }

  private func sample(_ model: Decoder, _ observer: inout some RunObserver) throws {
    observer.didSample(
      try experiment.samples.write(
        model, tokenizer: run.corpus.tokenizer, step: state.progress.step, seed: experiment.seed, folder: run.folder))
  }

  mutating func saveCheckpointIfDue(now: Bool) throws {
    let step = state.progress.step
    guard now || experiment.checkpointInterval.map({ step % $0 == 0 }) ?? false else { return }
    try replicas.sendingOptimizerState { try state.save(keeping: experiment.keptCheckpoints) }
  }

  /// Keeps the model of the last step beside the best one: where the rate decays to zero, it is the one to continue with.
  func saveLastModel() throws {
    try ModelFolder.save(
      state.trainer.model, tokenizer: run.corpus.tokenizer, data: run.corpus.record, to: run.folder + "/last")
  }

  /// What the run has come to so far.
  var resultSoFar: RunResult {
    var result = RunResult(
      name: run.name, title: run.title, seed: experiment.seed, parameters: parameterCounts.all,
      activeParameters: parameterCounts.active, progress: state.progress, tokensPerStep: experiment.tokensPerStep,
      warmUpSteps: experiment.schedule.warmUp(of: experiment.iterations), loadAverageAtStart: loadAverageAtStart)
    if run.sharesDevice { result.sharedDevice = true }
    return result
  }

  /// What the run came to, and what its best weights write; the memory that its steps needed goes back.
  mutating func finish(_ observer: inout some RunObserver) throws -> RunResult {
    state.updateProgress()
    MemoryPool.shared.trim()
    var result = resultSoFar
    guard experiment.timedForwards > 0 || experiment.samples.showsBest, let best = try bestModel() else {
      return result
    }
    if experiment.timedForwards > 0 { result.inferenceMeanMs = inferenceSeconds(of: best).mean * 1e3 }
    if experiment.samples.showsBest { try sample(best.on(.cpu), &observer) }
    return result
  }

  /// Of forwards of one validation batch, its shards in parallel.
  private func inferenceSeconds(of model: Decoder) -> [Double] {
    var generator = experiment.generator(of: .inference)
    let batch = run.corpus.validation.batch(
      sequenceCount: experiment.batchSize, sequenceLength: experiment.sequenceLength, using: &generator)
    let shardCount = experiment.shardCount * state.trainer.configuration.microBatchCount
    return InferenceTimer(shardCount: shardCount, precision: experiment.precision)
      .times(of: model, on: batch, count: experiment.timedForwards)
  }

  // MARK: Steps

  /// Makes a step and logs it.
  mutating func step(_ observer: inout some RunObserver) throws {
    let (step, watch) = (state.progress.step, Stopwatch())
    let report = try stepWithinMemory(&observer)
    let seconds = watch.seconds
    state.progress.loads.add(report.statistics.routing)
    state.progress.recentLosses.append(report.loss)
    state.didStep(seconds: seconds, report)
    observer.didStep(
      step, of: experiment.iterations, loss: report.loss, tokensPerSecond: Double(experiment.tokensPerStep) / seconds)
    guard step % experiment.recordInterval == 0 else { return }
    let host = MemoryPool.shared.statistics
    let experts = experiment.model.sparseMoE
    let coefficients = (experts?.balanceLossCoefficient ?? 0, experts?.zLossCoefficient ?? 0)
    let record = StepRecord(
      step: step, report, coefficients: coefficients, learningRates: learningRates,
      tokens: experiment.tokensPerStep, seconds: seconds,
      memory: run.device.memory ?? (currentBytes: host.currentBytes, peakBytes: host.peakBytes),
      trainer: state.trainer.configuration, lossScale: state.trainer.lossScale, loads: state.progress.loads,
      biases: Self.selectionBiases(of: state.trainer.model))
    try log.append(record)
    try observer.didRecord(record)
  }

  /// One step; when memory is not enough, the same batch in twice as many micro-batches, then with
  /// activations recomputed.
  private mutating func stepWithinMemory(_ observer: inout some RunObserver) throws -> StepReport {
    let batch = run.trainingBatch(state.trainer.stepCount)
    while true {
      do throws(TrainingError) {
        replicas.beginStep(on: batch, state.trainer.configuration)
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
        if state.trainer.configuration.microBatchCount < experiment.batchSize {
          state.trainer.configuration.microBatchCount = min(
            2 * state.trainer.configuration.microBatchCount, experiment.batchSize)
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
}
