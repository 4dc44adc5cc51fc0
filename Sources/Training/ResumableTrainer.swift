internal import NanoAutograd
internal import NanoData
internal import NanoModels
internal import NanoOptim
internal import NanoTensor

/// A trainer and the progress of its run: what a checkpoint holds, and what goes on from one.
struct ResumableTrainer<Model: LanguageModel, Rule: Optimizer, Point: RunPoint>: ~Copyable {
  var trainer: Trainer<Model, Rule>
  var progress: RunProgress<Point>
  /// The weights of the best evaluation, where the run keeps them itself.
  var best: Model?

  private let checkpoints: CheckpointFolder?
  /// Seconds of everything since this process began or went on, and those before.
  private let watch = Stopwatch()
  private let earlierSeconds: Double
  /// Of others than this run.
  private let tensorBytesBefore: Int
  private let device: Device

  /// Goes on from the last checkpoint, or begins with fresh weights.
  /// - Parameters:
  ///   - configuration: how a new run trains; of one that goes on, its checkpoint may divide batches further.
  ///   - tensorBytesBefore: what is held already, and not counted.
  /// - Throws: when the checkpoint is damaged, or not of such a run.
  init(
    _ checkpoints: CheckpointFolder?, fresh: consuming Model, rule: Rule,
    schedule: any LearningRateSchedule = ConstantSchedule(), configuration: TrainerConfiguration,
    iterations: Int, device: Device, tensorBytesBefore: Int = 0, pool: WorkerPool
  ) throws {
    MemoryPool.shared.resetPeak()
    ResidentMemory.resetPeak()
    device.resetPeak()
    let saved = try checkpoints?.last(Point.self)
    var progress = saved?.progress ?? RunProgress(step: 0, trainer: configuration)
    if saved == nil { progress.residentBytesAtStart = ResidentMemory.currentBytes }
    var best: Model?
    if let checkpoints, let saved {
      do {
        try progress.validate(trainer: configuration, iterations: iterations)
        progress.trainer.rules = configuration.rules
        try fresh.loadWeights(saved.weights)
        if !saved.bestWeights.isEmpty {
          var kept = copy fresh
          try kept.loadWeights(saved.bestWeights)
          best = kept
        }
      } catch {
        throw checkpoints.refusal(of: progress.step, "\(error)")
      }
    }
    fresh.move(to: device)
    var trainer = Trainer(
      consume fresh, rule: rule, schedule: schedule, configuration: progress.trainer, pool: pool)
    if let checkpoints, let saved {
      do {
        try trainer.restore(
          stepCount: progress.step, lossScale: progress.lossScale, optimizer: saved.optimizer)
      } catch {
        throw checkpoints.refusal(of: progress.step, "\(error)")
      }
    }
    // Nothing throws from here on: a value that cannot be copied is made whole or not at all.
    self.checkpoints = checkpoints
    self.tensorBytesBefore = tensorBytesBefore
    self.device = device
    self.trainer = trainer
    self.best = best
    earlierSeconds = progress.totalSeconds
    self.progress = progress
  }

  var seconds: Double { earlierSeconds + watch.seconds }

  /// Counts a step that was made.
  mutating func didStep(seconds: Double, _ report: StepReport) {
    progress.step += 1
    progress.trainer = trainer.configuration
    progress.lossScale = trainer.lossScale
    progress.recentStepSeconds =
      progress.recentStepSeconds.suffix(RunProgress<Point>.keptStepTimes - 1) + [seconds]
    progress.trainingSeconds += seconds
    progress.updateSeconds += report.updateSeconds
    updateProgress()
  }

  /// Brings what grows by itself up to date.
  mutating func updateProgress() {
    progress.totalSeconds = seconds
    progress.peakTensorBytes = max(
      progress.peakTensorBytes,
      device.memory?.peakBytes ?? MemoryPool.shared.statistics.peakBytes - tensorBytesBefore)
    progress.peakResidentBytes = max(progress.peakResidentBytes, ResidentMemory.peakBytes)
  }

  /// Writes a checkpoint, if the run keeps any.
  mutating func save(keeping kept: Int) throws {
    guard let checkpoints else { return }
    updateProgress()
    let (model, best) = (trainer.model, best)
    try checkpoints.save(progress, keeping: kept) { body in
      for (name, tensor) in model.weights {
        try tensor.withElements { try body(name, tensor.shape, $0) }
      }
      for (name, tensor) in best?.weights ?? [] {
        try tensor.withElements { try body("\(CheckpointFormat.best):\(name)", tensor.shape, $0) }
      }
      try trainer.forEachOptimizerBuffer { parameter, buffer, elements in
        try body("\(CheckpointFormat.optimizer):\(buffer):\(parameter)", [elements.count], elements)
      }
    }
  }
}
