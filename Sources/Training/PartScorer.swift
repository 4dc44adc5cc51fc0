internal import NanoAutograd
package import NanoCommunication
internal import NanoData
internal import NanoLayers
package import NanoModels
package import NanoTensor

/// Scores parts of a text, in parallel on all threads of all ranks. What a part gives depends on it alone.
///
/// Rank 0 cuts the text; the others, which need not have it, get the tokens of their parts and answer with numbers.
package struct PartScorer: Sendable {
  /// What a part gives.
  enum Kind: Codable {
    /// A whole batch: its mean loss, one number. It is read in pieces whose activations stay in the cache.
    case batch
    /// Windows of which so many tokens count: the sum of their losses, the count, and what routers saw.
    case windows(counted: Int)
  }

  struct Part: Sendable {
    let batch: TokenBatch
    let kind: Kind
  }

  let precision: Precision
  let pool: WorkerPool
  let communicator: any Communicator

  /// The numbers of every part, in order.
  /// - Parameter part: cuts the text.
  func scores(of model: some LanguageModel, count: Int, part: @Sendable (Int) -> Part) -> [[Double]] {
    let shares = (0..<communicator.rankCount).map {
      ShardRanges.shards(of: $0, among: communicator.rankCount, count: count)
    }
    for rank in shares.indices.dropFirst() { request(shares[rank].map(part), from: rank) }
    var scores = numbers(of: model, count: shares[0].count, part: part)
    for rank in shares.indices.dropFirst() {
      let counts: [Int32] = communicator.receive(from: rank)
      var rest = (communicator.receive(from: rank) as [Double])[...]
      for count in counts {
        scores.append(Array(rest.prefix(Int(count))))
        rest = rest.dropFirst(Int(count))
      }
    }
    return scores
  }

  /// Of this rank's parts.
  private func numbers(of model: some LanguageModel, count: Int, part: @Sendable (Int) -> Part) -> [[Double]] {
    let packedWeights = PackedWeights()
    var numbers = [[Double]](repeating: [], count: count)
    numbers.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let numbers = buffer
      pool.run(count, on: model.device) { numbers[$0] = score(part($0), of: model, packedWeights) }
    }
    return numbers
  }

  private func score(_ part: Part, of model: some LanguageModel, _ packedWeights: PackedWeights) -> [Double] {
    switch part.kind {
    case .batch:
      let length = max(1, Self.tokensPerPiece / part.batch.sequenceLength)
      var total = 0.0
      for start in stride(from: 0, to: part.batch.sequenceCount, by: length) {
        let piece = part.batch[start..<min(start + length, part.batch.sequenceCount)]
        let tape = Tape(recording: false, precision: precision, packedWeights: packedWeights)
        let loss = model.loss(
          inputs: piece.inputs, targets: piece.targets, sequenceLength: piece.sequenceLength, on: tape)
        total += Double(loss.value.scalar) * Double(piece.sequenceCount)
      }
      return [total / Double(part.batch.sequenceCount)]
    case .windows(let counted):
      let recorder = StatisticsRecorder()
      let context = ForwardContext(
        tape: Tape(recording: false, precision: precision, packedWeights: packedWeights),
        sequenceLength: part.batch.sequenceLength, recorder: recorder)
      let loss = model.loss(inputs: part.batch.inputs, targets: part.batch.targets, in: context)
      return [Double(loss.value.scalar) * Double(counted), Double(counted)] + recorder.statistics.numbers
    }
  }

  private static let tokensPerPiece = 256

  // MARK: The other ranks

  /// What rank 0 wants scored; tokens follow.
  private struct Request: Codable {
    let precision: Precision
    let sequenceLength: Int
    let kinds: [Kind]
    let sequenceCounts: [Int]
  }

  private func request(_ parts: [Part], from rank: Int) {
    communicator.send(
      encoding: Request(
        precision: precision, sequenceLength: parts.first?.batch.sequenceLength ?? 1, kinds: parts.map(\.kind),
        sequenceCounts: parts.map(\.batch.sequenceCount)) as Request?, to: rank)
    communicator.send(parts.flatMap { $0.batch.inputs + $0.batch.targets }, to: rank)
  }

  /// Lets the other ranks' ``serve(_:pool:_:)`` return.
  package static func end(_ communicator: any Communicator) {
    for rank in 1..<communicator.rankCount { communicator.send(encoding: nil as Request?, to: rank) }
  }

  /// Scores what rank 0 asks for, until it lets go.
  package static func serve(_ model: some LanguageModel, pool: WorkerPool, _ communicator: any Communicator) {
    while let request = communicator.receive(decoding: Request?.self, from: 0) {
      let tokens: [Int32] = communicator.receive(from: 0)
      var (parts, start) = ([Part](), 0)
      for (kind, count) in zip(request.kinds, request.sequenceCounts) {
        let (middle, end) = (start + count * request.sequenceLength, start + 2 * count * request.sequenceLength)
        let batch = TokenBatch(
          inputs: Array(tokens[start..<middle]), targets: Array(tokens[middle..<end]),
          sequenceLength: request.sequenceLength)
        parts.append(Part(batch: batch, kind: kind))
        start = end
      }
      let scorer = PartScorer(precision: request.precision, pool: pool, communicator: communicator)
      let numbers = scorer.numbers(of: model, count: parts.count) { [parts] in parts[$0] }
      communicator.send(numbers.map { Int32($0.count) }, to: 0)
      communicator.send(numbers.flatMap { $0 }, to: 0)
    }
  }
}
