public import NanoTraining

/// What rank 0 has all other ranks do next.
public enum RankTask: Hashable, Sendable, Codable {
  /// Take part in the steps of a run, from the state that rank 0 then sends.
  case run(Experiment)
  /// One step of that run, on a batch that follows.
  case step(TrainerConfiguration)
  /// Score a model, whose weights follow, on what rank 0 then names.
  case evaluate
  /// Send rank 0 what it then asks the optimizer of that run for.
  case sendOptimizerState
  /// No more steps of that run.
  case endRun
  /// Make whole runs of a study, which rank 0 names.
  case makeRuns
  /// End.
  case end
}
