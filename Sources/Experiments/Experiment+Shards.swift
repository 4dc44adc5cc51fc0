internal import NanoModels
internal import NanoTraining

extension Experiment {
  /// Has a large model's batch cut into as few shards as suit it; others keep the number that they have. An experiment that
  /// ``validate()`` refuses stays as it is.
  public mutating func adoptSuitableShardCount() {
    guard (try? validate()) != nil else { return }
    shardCount = WorkSharing.shardCount(
      parameterCount: model.parameterCount, tokenCount: tokensPerStep / microBatchCount, usual: shardCount)
  }
}
