package import NanoCommunication
internal import NanoLayers
package import NanoModels
internal import NanoOptim
internal import NanoTensor

/// What ranks tell one another of a shard.
struct ShardReport {
  var weightedLoss: Double
  var statistics: ForwardStatistics
}

extension Trainer {
  /// The reports of all ranks' shards, in shard order.
  /// - Parameter missingMemory: what this rank's shards needed, if that was too much.
  /// - Throws: on every rank the same if memory was not enough on any.
  func exchange(
    _ shards: [ShardResult], missingMemory: (needed: Int, limit: Int)?
  ) throws(TrainingError) -> [ShardReport] {
    guard communicator.rankCount > 1 else {
      if let (needed, limit) = missingMemory { throw .memoryLimit(step: stepCount, needed: needed, limit: limit) }
      return shards.map { ShardReport(weightedLoss: $0.weightedLoss, statistics: $0.statistics) }
    }
    var numbers: [Double] = missingMemory.map { [Double($0.needed), Double($0.limit)] } ?? [0, 0]
    if missingMemory == nil {
      for shard in shards { numbers += [shard.weightedLoss] + shard.statistics.numbers }
    }
    let ranks = communicator.allGather(numbers)
    if let rank = ranks.first(where: { $0[0] > 0 }) {
      throw .memoryLimit(step: stepCount, needed: Int(rank[0]), limit: Int(rank[1]))
    }
    return ranks.flatMap { numbers in
      var (rest, reports) = (numbers.dropFirst(2), [ShardReport]())
      while let loss = rest.popFirst() {
        reports.append(ShardReport(weightedLoss: loss, statistics: ForwardStatistics(takingFrom: &rest)))
      }
      return reports
    }
  }

  /// Replaces every parameter's gradients in this rank's shards by their sum over the shards of all ranks, added in shard
  /// order whatever the rank count.
  ///
  /// Sums go from rank to rank, each adding its shards to what comes from the rank before, and back. While a rank adds one
  /// parameter's gradients, the rank before is at the next parameter's. Each rank sends every gradient at most twice.
  /// - Parameter columns: one row a parameter.
  func addOverRanks(_ columns: inout [[Tensor]]) {
    let (rank, last) = (communicator.rank, communicator.rankCount - 1)
    let shapes = model.namedParameters.filter { $0.parameter.role != .state }.map(\.parameter.value.shape)
    for (index, shape) in shapes.enumerated() {
      if rank > 0 {
        var before = Tensor(zeros: shape)
        before.receive(from: rank - 1, communicator)
        columns[index].insert(before, at: 0)
      }
      let sum = Tensor.sum(taking: &columns[index])
      if rank < last { sum.send(to: rank + 1, communicator) }
      columns[index] = [sum]
    }
    for index in columns.indices {
      if rank < last { columns[index][0].receive(from: rank + 1, communicator) }
      if rank > 0 { columns[index][0].send(to: rank - 1, communicator) }
    }
  }
}

extension Trainer {
  /// Every rank takes over the weights, the optimizer's state and the step count of rank 0.
  package mutating func takeOverStateOfRankZero() {
    guard communicator.rankCount > 1 else { return }
    model.takeOverWeightsOfRankZero(communicator)
    let isFirst = communicator.rank == 0
    let mine = StateOutline(
      stepCount: stepCount, lossScale: lossScale,
      buffers: optimizerSnapshot.mapValues { $0.buffers.mapValues(\.count) })
    if isFirst { communicator.broadcast(encoding: mine) }
    let outline = isFirst ? mine : communicator.receiveBroadcast(decoding: StateOutline.self)
    var snapshots = isFirst ? optimizerSnapshot : [:]
    for (parameter, buffers) in outline.buffers.sorted(by: { $0.key < $1.key }) {
      var snapshot = snapshots[parameter] ?? StateSnapshot(stepCount: outline.stepCount, buffers: [:])
      for name in buffers.keys.sorted() {
        snapshot.buffers[name] = communicator.broadcast(snapshot.buffers[name] ?? [])
      }
      snapshots[parameter] = snapshot
    }
    guard !isFirst else { return }
    do {
      try restore(stepCount: outline.stepCount, lossScale: outline.lossScale, optimizer: snapshots)
    } catch {
      fatalError("Trainer: rank 0 has another model: \(error)")
    }
  }
}

extension LanguageModel {
  /// Every rank takes over the weights of rank 0.
  package mutating func takeOverWeightsOfRankZero(_ communicator: any Communicator) {
    visitParameters(.root(wanted: false)) { _, parameter in parameter.value.broadcast(communicator) }
  }
}

/// What a trainer's state consists of.
private struct StateOutline: Codable {
  let stepCount: Int
  let lossScale: LossScale?
  /// By parameter and name, how many numbers.
  let buffers: [String: [String: Int]]
}

extension Tensor {
  /// Takes over the elements that the tensor has on rank 0.
  fileprivate mutating func broadcast(_ communicator: any Communicator) {
    if communicator.rank == 0 {
      withElements { elements in
        elements.withUnsafeBytes { communicator.broadcast(UnsafeMutableRawBufferPointer(mutating: $0)) }
      }
    } else {
      withMutableElements { elements in elements.withUnsafeMutableBytes { communicator.broadcast($0) } }
    }
  }

  /// The sum from left to right of some tensors, which are given up so that it forms in the first one's place.
  static func sum(taking tensors: inout [Tensor]) -> Tensor {
    var rest = tensors[...]
    tensors = []
    var sum = rest.removeFirst()
    while let next = rest.popFirst() { sum += next }
    return sum
  }

  func send(to rank: Int, _ communicator: any Communicator) {
    withElements { elements in elements.withUnsafeBytes { communicator.send($0, to: rank) } }
  }

  mutating func receive(from rank: Int, _ communicator: any Communicator) {
    withMutableElements { elements in
      elements.withUnsafeMutableBytes { communicator.receive(into: $0, from: rank) }
    }
  }
}
