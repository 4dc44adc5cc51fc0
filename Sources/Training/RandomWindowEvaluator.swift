internal import NanoAutograd
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
  private let pool: WorkerPool

  /// - Parameter generator: what batches are drawn from; batch i of step s of a split is a function of it.
  public init(
    corpus: Corpus, batchCount: Int, sequenceCount: Int, sequenceLength: Int,
    precision: Precision = .float32, generator: RandomGenerator, pool: WorkerPool = .shared
  ) {
    self.corpus = corpus
    self.batchCount = batchCount
    self.sequenceCount = sequenceCount
    self.sequenceLength = sequenceLength
    self.precision = precision
    self.generator = generator
    self.pool = pool
  }

  /// The mean loss, in nats a token, over ``batchCount`` random batches.
  ///
  /// Each batch is read in pieces whose activations stay in the cache; the mean is over the same tokens.
  public func meanLoss(of model: some LanguageModel, on split: Split, step: Int) -> Double {
    if !model.device.isCPU { return meanLossOnGPU(of: model, on: split, step: step) }
    var losses = [Double](repeating: 0, count: batchCount)
    let stream = generator.split(split == .training ? 0 : 1).split(UInt64(step))
    let packedWeights = PackedWeights()
    losses.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let losses = buffer
      pool.run(batchCount) { index in
        var generator = stream.split(UInt64(index))
        let batch = corpus[split].batch(
          sequenceCount: sequenceCount, sequenceLength: sequenceLength, using: &generator)
        losses[index] = loss(of: model, on: batch, packedWeights)
      }
    }
    return losses.reduce(0, +) / Double(batchCount)
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

  private func loss(
    of model: some LanguageModel, on batch: TokenBatch, _ packedWeights: PackedWeights
  ) -> Double {
    let piece = max(1, Self.tokensPerPiece / sequenceLength)
    var total = 0.0
    for start in stride(from: 0, to: batch.sequenceCount, by: piece) {
      let part = batch[start..<min(start + piece, batch.sequenceCount)]
      let tape = Tape(recording: false, precision: precision, packedWeights: packedWeights)
      let loss = model.loss(
        inputs: part.inputs, targets: part.targets, sequenceLength: sequenceLength, on: tape)
      total += Double(loss.value.scalar) * Double(part.sequenceCount)
    }
    return total / Double(batch.sequenceCount)
  }

  private static let tokensPerPiece = 256
  private static let tokensAtOnceOnGPU = 65_536
}
