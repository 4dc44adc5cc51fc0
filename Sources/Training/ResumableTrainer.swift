internal import NanoAutograd
package import NanoCommunication
internal import NanoData
package import NanoModels
package import NanoOptim
package import NanoTensor

/// A trainer and the progress of its run: what a checkpoint holds, and what goes on from one.
package struct ResumableTrainer<Model: LanguageModel, Rule: Optimizer>: ~Copyable {
  package var trainer: Trainer<Model, Rule>
  package var progress: RunProgress

  private let checkpoints: CheckpointFolder
  /// Seconds of everything since this process began or went on, and those before.
  private let watch = Stopwatch()
  private let earlierSeconds: Double
  private let device: Device

  /// Goes on from the last checkpoint, or begins with fresh weights.
  /// - Parameters:
  ///   - configuration: how a new run trains; of one that goes on, its checkpoint may divide batches further.
  /// - Throws: when the checkpoint is damaged, or not of such a run.
  package init(
    _ checkpoints: CheckpointFolder, fresh: consuming Model, rule: Rule, schedule: any LearningRateSchedule,
    configuration: TrainerConfiguration, iterations: Int, device: Device, pool: WorkerPool,
    communicator: any Communicator
  ) throws {
    MemoryPool.shared.resetPeak()
    ResidentMemory.resetPeak()
    device.resetPeak()
    let saved = try checkpoints.last()
    var progress = saved?.progress ?? RunProgress(step: 0, trainer: configuration)
    if let saved {
      do {
        try progress.validate(trainer: configuration, iterations: iterations)
        progress.trainer.rules = configuration.rules
        try fresh.loadWeights(saved.weights)
      } catch {
        throw checkpoints.refusal(of: progress.step, "\(error)")
      }
    } else {
      progress.residentBytesAtStart = ResidentMemory.currentBytes
    }
    fresh.move(to: device)
    var trainer = Trainer(
      consume fresh, rule: rule, schedule: schedule, configuration: progress.trainer, pool: pool,
      communicator: communicator)
    if let saved {
      do {
        try trainer.restore(
          stepCount: progress.step, lossScale: progress.lossScale, optimizer: saved.optimizer)
      } catch {
        throw checkpoints.refusal(of: progress.step, "\(error)")
      }
    }
    // Nothing throws from here on: a value that cannot be copied is made whole or not at all.
    self.checkpoints = checkpoints
    self.device = device
    self.trainer = trainer
    earlierSeconds = progress.totalSeconds
    self.progress = progress
  }

  package var seconds: Double { earlierSeconds + watch.seconds }

  /// Counts a step that was made.
  package mutating func didStep(seconds: Double, _ report: StepReport) {
    progress.step += 1
    progress.trainer = trainer.configuration
    progress.lossScale = trainer.lossScale
    progress.recentStepSeconds =
      progress.recentStepSeconds.suffix(RunProgress.keptStepTimes - 1) + [seconds]
    progress.trainingSeconds += seconds
    progress.updateSeconds += report.updateSeconds
    updateProgress()
  }

  /// Brings what grows by itself up to date.
  package mutating func updateProgress() {
    progress.totalSeconds = seconds
    progress.peakTensorBytes = max(
      progress.peakTensorBytes,
      device.memory?.peakBytes ?? MemoryPool.shared.statistics.peakBytes)
    progress.peakResidentBytes = max(progress.peakResidentBytes, ResidentMemory.peakBytes)
  }

  /// Writes a checkpoint.
  package mutating func save(keeping kept: Int) throws {
    updateProgress()
    let model = trainer.model
    try checkpoints.save(progress, keeping: kept) { body in
      for (name, tensor) in model.weights {
        try tensor.withElements { try body(name, tensor.shape, $0) }
      }
      try trainer.forEachOptimizerBuffer { parameter, buffer, elements in
        try body("\(CheckpointFormat.optimizer):\(buffer):\(parameter)", [elements.count], elements)
      }
    }
  }
}
