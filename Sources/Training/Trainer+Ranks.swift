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
    let chunks = ownership.chunks
    var (own, sumsOfSquares) = (parts.map { Tensor(uninitialized: [$0.elements.count]) }, [Double]())
    var expected = chunks.enumerated().filter { $0.element.rank == rank && rank != last }[...]
    func receiveOwn(below limit: Int) {
      while let next = expected.first, next.offset < limit {
        expected.removeFirst()
        keep(next.element, Tensor(receiving: next.element.elementCount, from: last, communicator), in: &own)
      }
    }
    for (index, chunk) in chunks.enumerated() where rank <= last {
      let before = rank > 0 ? Tensor(receiving: chunk.elementCount, from: rank - 1, communicator) : nil
      let sum = sum(of: chunk, adding: columns, to: before)
      if rank < last {
        communicator.awaitSends(leaving: Self.bytesUnderWay)
        sum.send(to: rank + 1, communicator)
        // What has passed through all ranks behind this one meanwhile.
        receiveOwn(below: index - (last - rank))
      } else if chunk.rank == rank {
        keep(chunk, sum, in: &own)
      } else {
        sum.send(to: chunk.rank, communicator)
      }
      for piece in chunk.pieces {
        let isEnd = piece.elements.upperBound == descriptions[piece.parameter].shape.elementCount
        if rank == last {
          columns[piece.parameter][0].replace(piece.elements, with: sum, from: piece.places.lowerBound)
          if isEnd { sumsOfSquares.append(columns[piece.parameter][0].sumOfSquares) }
        }
        if isEnd { columns[piece.parameter] = [] }
      }
    }
    receiveOwn(below: chunks.count)
    return (own, communicator.allGather(sumsOfSquares)[last])
  }

  /// A chunk's sum over what comes from the ranks before, if any, and this rank's shards.
  private func sum(of chunk: ParameterOwnership.Chunk, adding columns: [[Tensor]], to before: consuming Tensor?)
    -> Tensor
  {
    let begins = before == nil
    var sum = before.take() ?? Tensor(uninitialized: [chunk.elementCount])
    for piece in chunk.pieces {
      for (index, gradient) in columns[piece.parameter].enumerated() {
        if begins, index == 0 {
          sum.replace(piece.places, with: gradient, from: piece.elements.lowerBound)
        } else {
          gradient.withElements { gradient in
            sum.withMutableElements(in: piece.places) { kernels.add(gradient.extracting(piece.elements), to: &$0) }
          }
        }
      }
    }
    return sum
  }

  /// Takes a chunk's elements into the gradients of this rank's parts.
  private func keep(_ chunk: ParameterOwnership.Chunk, _ elements: Tensor, in own: inout [Tensor]) {
    for piece in chunk.pieces {
      let start = piece.elements.lowerBound - parts[piece.part].elements.lowerBound
      own[piece.part].replace(start..<start + piece.elements.count, with: elements, from: piece.places.lowerBound)
    }
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
      for chunk in ownership.chunks(of: rank) {
        var elements = Tensor(uninitialized: [chunk.elementCount])
        for piece in chunk.pieces {
          elements.replace(piece.places, with: values[piece.parameter], from: piece.elements.lowerBound)
        }
        elements.send(to: next, communicator)
      }
      for distance in 1..<count {
        let owner = (rank + count - distance) % count
        for chunk in ownership.chunks(of: owner) {
          let elements = Tensor(receiving: chunk.elementCount, from: previous, communicator)
          if owner != next { elements.send(to: next, communicator) }
          for piece in chunk.pieces {
            values[piece.parameter].replace(piece.elements, with: elements, from: piece.places.lowerBound)
          }
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

  /// Calls `body` with some of the elements for writing.
  mutating func withMutableElements(in places: Range<Int>, _ body: (inout MutableSpan<Float>) -> Void) {
    withMutableElements { elements in
      elements.withUnsafeMutableBufferPointer { all in
        var part = UnsafeMutableBufferPointer(rebasing: all[places]).mutableSpan
        body(&part)
      }
    }
  }

  /// Overwrites some of the elements with as many of another tensor, from its element `start` on.
  fileprivate mutating func replace(_ places: Range<Int>, with other: Tensor, from start: Int) {
    other.withElements { other in
      other.extracting(start..<start + places.count).withUnsafeBufferPointer { source in
        withMutableElements(in: places) { part in
          part.withUnsafeMutableBufferPointer { _ = $0.update(from: source) }
        }
      }
    }
  }

  fileprivate func send(to rank: Int, _ communicator: any Communicator) {
    withElements { elements in elements.withUnsafeBytes { communicator.send($0, to: rank) } }
  }

  /// As many elements as another rank sends.
  fileprivate init(receiving count: Int, from rank: Int, _ communicator: any Communicator) {
    self.init(uninitialized: [count])
    withMutableElements { elements in
      elements.withUnsafeMutableBytes { communicator.receive(into: $0, from: rank) }
    }
  }
}
