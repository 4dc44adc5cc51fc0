internal import NanoAutograd
public import NanoCommunication
public import NanoData
public import NanoModels
public import NanoTensor

/// Measures a model's loss on random batches of a split, many batches at once.
public struct RandomWindowEvaluator: Sendable {
  /// What batches are drawn from.
  public let corpus: Corpus
  /// Batches of each evaluation.
  public let batchCount: Int
  /// Sequences of a batch.
  public let sequenceCount: Int
  /// Tokens of a sequence.
  public let sequenceLength: Int
  /// What products round to.
  public let precision: Precision
  private let generator: RandomGenerator
  private let scorer: PartScorer

  /// - Parameters:
  ///   - generator: what batches are drawn from; batch i of step s of a split is a function of it.
  ///   - communicator: ranks that share the batches, of which this is the first.
  public init(
    corpus: Corpus, batchCount: Int, sequenceCount: Int, sequenceLength: Int,
    precision: Precision = .float32, generator: RandomGenerator, pool: WorkerPool = .shared,
    communicator: any Communicator = SingleRank()
  ) {
    self.corpus = corpus
    self.batchCount = batchCount
    self.sequenceCount = sequenceCount
    self.sequenceLength = sequenceLength
    self.precision = precision
    self.generator = generator
    scorer = PartScorer(precision: precision, pool: pool, communicator: communicator)
  }

  /// The mean loss, in nats a token, over ``batchCount`` random batches.
  ///
  /// Each batch is read in pieces whose activations stay in the cache; the mean is over the same tokens.
  public func meanLoss(of model: some LanguageModel, on split: Split, step: Int) -> Double {
    if !model.device.isCPU { return meanLossOnGPU(of: model, on: split, step: step) }
    let stream = generator.split(split == .training ? 0 : 1).split(UInt64(step))
    let losses = scorer.scores(of: model, count: batchCount) { index in
      var generator = stream.split(UInt64(index))
      let batch = corpus[split].batch(
        sequenceCount: sequenceCount, sequenceLength: sequenceLength, using: &generator)
      return PartScorer.Part(batch: batch, kind: .batch)
    }
    return losses.reduce(0) { $0 + $1[0] } / Double(batchCount)
  }

  /// The same on a GPU: many batches at once, since all have as many tokens.
  private func meanLossOnGPU(of model: some LanguageModel, on split: Split, step: Int) -> Double {
    let stream = generator.split(split == .training ? 0 : 1).split(UInt64(step))
    let packedWeights = PackedWeights()
    let atOnce = max(1, Self.tokensAtOnceOnGPU / (sequenceCount * sequenceLength))
    var total = 0.0
    for start in stride(from: 0, to: batchCount, by: atOnce) {
      let indices = start..<min(start + atOnce, batchCount)
      let batches = indices.map { index in
        var generator = stream.split(UInt64(index))
        return corpus[split].batch(
          sequenceCount: sequenceCount, sequenceLength: sequenceLength, using: &generator)
      }
      let tape = Tape(recording: false, precision: precision, packedWeights: packedWeights)
      let loss = model.loss(
        inputs: batches.flatMap(\.inputs), targets: batches.flatMap(\.targets), sequenceLength: sequenceLength,
        on: tape)
      total += Double(loss.value.scalar) * Double(indices.count)
    }
    return total / Double(batchCount)
  }

  private static let tokensAtOnceOnGPU = 65_536
}
