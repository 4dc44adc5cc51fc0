internal import NanoAutograd
public import NanoData
public import NanoModels
public import NanoTensor

/// Times forwards of a batch, its shards in parallel.
public struct InferenceTimer: Sendable {
  /// Parts of a batch that are computed at once.
  public let shardCount: Int
  /// What products round to.
  public let precision: Precision
  private let pool: WorkerPool

  /// A timer whose shards run on a pool's threads; a batch of fewer sequences has fewer shards.
  public init(shardCount: Int, precision: Precision, pool: WorkerPool = .shared) {
    self.shardCount = shardCount
    self.precision = precision
    self.pool = pool
  }

  /// Seconds of `count` forwards, after a tenth as many to warm up.
  public func times(of model: some LanguageModel, on batch: TokenBatch, count: Int) -> [Double] {
    let parts = ShardRanges(of: 0..<batch.sequenceCount, count: model.device.isCPU ? shardCount : 1).ranges.map {
      batch[$0]
    }
    let precision = precision
    return (0..<count + count / 10).map { _ in
      let watch = Stopwatch()
      let packedWeights = PackedWeights(parts: parts.count, threads: pool.threadCount)
      pool.run(parts.count, on: model.device) { index in
        let tape = Tape(recording: false, precision: precision, packedWeights: packedWeights)
        _ = model.logits(
          for: parts[index].inputs, sequenceLength: parts[index].sequenceLength, on: tape)
      }
      model.device.synchronize()
      return watch.seconds
    }.suffix(count)
  }
}
