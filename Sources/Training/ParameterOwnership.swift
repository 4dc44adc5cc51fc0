internal import NanoOptim
internal import NanoPreconditions
internal import NanoTensor

/// Which rank updates which parameters, and keeps the optimizer's state of them.
///
/// All parameters stand in one line, a stack of matrices as its matrices, which stay whole. Each rank takes a piece of the
/// line with about as much work as every other, so its part of a parameter is one range of elements.
struct ParameterOwnership {
  /// What a rank has of a parameter.
  struct Part {
    let rank: Int
    /// Its place among all parameters.
    let parameter: Int
    let elements: Range<Int>
    /// Of these elements alone, under the parameter's name.
    let description: ParameterDescription

    /// Of the parameter's matrices, the first one here.
    var firstMatrix: Int { description.shape.matrixStack.map { elements.lowerBound / $0.matrixElementCount } ?? 0 }
  }

  /// Elements of one rank's parts that are sent together.
  struct Chunk: Hashable {
    let rank: Int
    fileprivate(set) var pieces: [Piece] = []
    fileprivate(set) var elementCount = 0
  }

  /// What a chunk has of one part.
  struct Piece: Hashable {
    /// The place of its part among those of the rank.
    let part: Int
    let parameter: Int
    let elements: Range<Int>
    /// Where they stand in the chunk.
    let places: Range<Int>
  }

  /// In the order of parameters, and so of ranks.
  let parts: [Part]
  /// The parts' elements in the same order.
  let chunks: [Chunk]

  /// - Parameters:
  ///   - work: of a parameter's update, in any unit.
  ///   - chunkLength: the most elements of a chunk.
  init(
    of parameters: [ParameterDescription], among rankCount: Int, chunkLength: Int = 1 << 18,
    work: (ParameterDescription) -> Int
  ) {
    checkPrecondition(
      rankCount > 0 && chunkLength > 0, "ParameterOwnership: \(rankCount) ranks, chunks of \(chunkLength) elements")
    let total = parameters.reduce(0) { $0 + work($1) }
    var (parts, passed) = ([Part](), 0)
    for (index, parameter) in parameters.enumerated() {
      let unitCount = parameter.shape.matrixStack?.count ?? 1
      let unitWork = work(parameter) / unitCount
      // A matrix belongs to the rank whose piece its middle lies in.
      let ranks = (0..<unitCount).map { unit in
        min(rankCount - 1, (2 * (passed + unit * unitWork) + unitWork) * rankCount / max(1, 2 * total))
      }
      passed += unitCount * unitWork
      let unitLength = parameter.shape.elementCount / unitCount
      var first = 0
      for unit in 1...unitCount where unit == unitCount || ranks[unit] != ranks[first] {
        parts.append(
          Part(
            rank: ranks[first], parameter: index, elements: first * unitLength..<unit * unitLength,
            description: parameter.part(of: unit - first)))
        first = unit
      }
    }
    self.parts = parts
    chunks = Self.chunks(of: parts, length: chunkLength)
  }

  /// Large parts are cut, small ones go together.
  private static func chunks(of parts: [Part], length: Int) -> [Chunk] {
    var chunks: [Chunk] = []
    for (index, part) in parts.enumerated() {
      let place = index - parts.firstIndex { $0.rank == part.rank }!
      for start in stride(from: part.elements.lowerBound, to: part.elements.upperBound, by: length) {
        let elements = start..<min(start + length, part.elements.upperBound)
        if chunks.last.map({ $0.rank != part.rank || $0.elementCount + elements.count > length }) ?? true {
          chunks.append(Chunk(rank: part.rank))
        }
        let end = chunks.count - 1
        let count = chunks[end].elementCount
        chunks[end].pieces.append(
          Piece(
            part: place, parameter: part.parameter, elements: elements, places: count..<count + elements.count))
        chunks[end].elementCount += elements.count
      }
    }
    return chunks
  }

  func parts(of rank: Int) -> [Part] { parts.filter { $0.rank == rank } }

  func chunks(of rank: Int) -> [Chunk] { chunks.filter { $0.rank == rank } }
}

extension ParameterDescription {
  /// Of so many of the parameter's matrices; the whole of any other parameter.
  fileprivate func part(of count: Int) -> ParameterDescription {
    guard let stack = shape.matrixStack, count < stack.count else { return self }
    let role: Parameter.Role =
      if case .expertMatrix = role { .expertMatrix(count: count) } else { .hiddenMatrix(count: count) }
    return ParameterDescription(
      name: name, shape: .matrices(count, outputs: stack.outputs, inputs: stack.inputs, order: stack.order), role: role)
  }
}
