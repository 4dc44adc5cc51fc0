internal import Foundation
internal import NanoData
internal import NanoLayers
internal import NanoModels
internal import NanoTraining

/// What a run begins with that goes on with fewer experts: the last model of another arm's run of the same seed.
public struct PrunedStart: Hashable, Sendable, Codable {
  /// That other arm, whose runs are made first.
  public var arm: String
  /// What experts are removed by, until there are as many as the run's model has.
  public var criterion: ExpertPruning.Criterion

  /// A start from the runs of an arm, which is named as in the study.
  public init(of arm: String, by criterion: ExpertPruning.Criterion) {
    self.arm = arm
    self.criterion = criterion
  }

  /// The experiment with weights to begin with, which lie in a folder of its run.
  /// - Parameters:
  ///   - source: the model that loses experts.
  ///   - folder: for the smaller one; as it is where it is there already.
  func applied(
    to experiment: Experiment, source: String, corpus: Corpus, folder: String
  ) throws -> Experiment {
    if !FileManager.default.fileExists(atPath: folder) {
      guard let model = try ModelFolder.load(source).model as? Decoder else {
        throw ExperimentError("\(source): not a model whose experts could be removed")
      }
      var pruning = try ExpertPruning(of: model, on: corpus.training, by: criterion)
      while let count = experiment.model.denseMoE?.expertCount, pruning.expertCount > count {
        try pruning.removeOneOfEach()
      }
      let pruned = try pruning.pruned()
      try OutputFolder.create([folder]) { folder in
        try ModelFolder.save(pruned, tokenizer: corpus.tokenizer, data: corpus.record, to: folder)
      }
    }
    var experiment = experiment
    experiment.prunedStart = nil
    experiment.initialWeights = try InitialWeights(folder)
    return experiment
  }
}

extension Study {
  /// Throws where an arm begins from one that it cannot begin from.
  func validateStarts() throws {
    for arm in arms {
      guard let start = arm.experiment.prunedStart else { continue }
      guard let source = arms.first(where: { $0.name == start.arm })?.experiment, source.prunedStart == nil else {
        throw ExperimentError("'\(arm.name)' begins from '\(start.arm)', which is no arm that begins by itself")
      }
      let count = arm.experiment.model.denseMoE?.expertCount ?? 0
      var model = source.model
      model.denseMoE?.expertCount = count
      guard model == arm.experiment.model, count > 0, count <= source.model.denseMoE?.expertCount ?? 0 else {
        throw ExperimentError(
          "'\(arm.name)' begins from '\(start.arm)' with fewer experts, but its model differs in more than their number"
        )
      }
    }
  }

  /// The run that another one begins from, and that has to end before.
  func source(of planned: PlannedRun) -> PlannedRun? {
    guard let start = planned.experiment.prunedStart else { return nil }
    return runs.first { $0.arm.name == start.arm && $0.experiment.seed == planned.experiment.seed }
  }
}
