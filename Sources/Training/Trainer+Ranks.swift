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

  /// Adds the gradients of all ranks' shards, in shard order whatever the rank count.
  ///
  /// Sums go from rank to rank in chunks, each rank adding its shards to what comes from the rank before, and from the last
  /// one to their owners. While a rank adds to a chunk, the rank before is at the next. Each rank sends every gradient at
  /// most once.
  /// - Parameters:
  ///   - columns: one row a parameter, its gradients in this rank's shards; given up.
  ///   - shardCount: of all ranks together.
  /// - Returns: the sums of this rank's parts, and of every parameter's sum the sum of squares.
  func reducedOverRanks(
    _ columns: inout [[Tensor]], shardCount: Int
  ) -> (tensors: [Tensor], sumsOfSquares: [Double]) {
    // Ranks beyond the shards have nothing to add.
    let (rank, last) = (communicator.rank, min(communicator.rankCount, shardCount) - 1)
    let (chunks, communicator) = (ownership.chunks, communicator)
    var own = parts.map { Tensor(uninitialized: [$0.elements.count]) }
    var expected = chunks.enumerated().filter { $0.element.rank == rank && rank != last }[...]
    func receiveOwn(below limit: Int) {
      while let next = expected.first, next.offset < limit {
        own[next.element.part].receive(places(of: next.element), from: last, communicator)
        expected.removeFirst()
      }
    }
    var (sum, others, sumsOfSquares) = (Tensor(zeros: [0]), [Tensor](), [Double]())
    for (index, chunk) in chunks.enumerated() where rank <= last {
      if chunk.elements.lowerBound == 0 {
        sum = columns[chunk.parameter].removeFirst()
        others = columns[chunk.parameter]
        columns[chunk.parameter] = []
      }
      if rank > 0 {
        var before = Tensor(uninitialized: [chunk.elements.count])
        before.receive(0..<chunk.elements.count, from: rank - 1, communicator)
        before.withElements { before in sum.withMutableElements(in: chunk.elements) { kernels.add(before, to: &$0) } }
      }
      for other in others {
        other.withElements { other in
          sum.withMutableElements(in: chunk.elements) { kernels.add(other.extracting(chunk.elements), to: &$0) }
        }
      }
      if rank < last {
        communicator.awaitSends(leaving: Self.bytesUnderWay)
        sum.send(chunk.elements, to: rank + 1, communicator)
        // What has passed through all ranks behind this one meanwhile.
        receiveOwn(below: index - (last - rank))
      } else if chunk.rank == rank {
        sum.withElements { sum in
          own[chunk.part].withMutableElements(in: places(of: chunk)) { part in
            for index in 0..<part.count { part[index] = sum[chunk.elements.lowerBound + index] }
          }
        }
      } else {
        sum.send(chunk.elements, to: chunk.rank, communicator)
      }
      if rank == last, chunk.elements.upperBound == sum.elementCount { sumsOfSquares.append(sum.sumOfSquares) }
    }
    receiveOwn(below: chunks.count)
    return (own, communicator.allGather(sumsOfSquares)[last])
  }

  /// Of a chunk's elements in its part.
  private func places(of chunk: ParameterOwnership.Chunk) -> Range<Int> {
    let start = chunk.elements.lowerBound - parts[chunk.part].elements.lowerBound
    return start..<start + chunk.elements.count
  }

  /// The most that a rank's sums may be ahead of the rank behind it.
  private static var bytesUnderWay: Int { 16 << 20 }

  /// Gives every rank the values that the others have updated. Each rank passes on what it gets, so it sends every value at
  /// most once.
  mutating func exchangeValues() {
    let (ownership, communicator) = (ownership, communicator)
    let (rank, count) = (communicator.rank, communicator.rankCount)
    let (previous, next) = ((rank + count - 1) % count, (rank + 1) % count)
    withParameterValues { values, _ in
      for chunk in ownership.chunks(of: rank) { values[chunk.parameter].send(chunk.elements, to: next, communicator) }
      for distance in 1..<count {
        let owner = (rank + count - distance) % count
        for chunk in ownership.chunks(of: owner) {
          values[chunk.parameter].receive(chunk.elements, from: previous, communicator)
          if owner != next { values[chunk.parameter].send(chunk.elements, to: next, communicator) }
        }
      }
    }
  }
}

extension LanguageModel {
  /// Every rank takes over the weights of rank 0.
  package mutating func takeOverWeightsOfRankZero(_ communicator: any Communicator) {
    visitParameters(.root(wanted: false)) { _, parameter in parameter.value.broadcast(communicator) }
  }
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

  /// Calls `body` with some of the elements for writing.
  mutating func withMutableElements(in places: Range<Int>, _ body: (inout MutableSpan<Float>) -> Void) {
    withMutableElements { elements in
      elements.withUnsafeMutableBufferPointer { all in
        var part = UnsafeMutableBufferPointer(rebasing: all[places]).mutableSpan
        body(&part)
      }
    }
  }

  fileprivate func send(_ places: Range<Int>, to rank: Int, _ communicator: any Communicator) {
    withElements { elements in elements.extracting(places).withUnsafeBytes { communicator.send($0, to: rank) } }
  }

  fileprivate mutating func receive(_ places: Range<Int>, from rank: Int, _ communicator: any Communicator) {
    withMutableElements(in: places) { part in
      part.withUnsafeMutableBytes { communicator.receive(into: $0, from: rank) }
    }
  }
}
