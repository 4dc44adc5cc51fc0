import NanoOptim
import NanoTensor
import Testing

@testable import NanoTraining

private let parameters = [
  ParameterDescription(name: "embedding", shape: .table(rows: 30, columns: 10)),
  ParameterDescription(name: "gain", shape: .vector(count: 10)),
  ParameterDescription(
    name: "experts", shape: .matrices(16, outputs: 10, inputs: 20), role: .expertMatrix(count: 16)),
  ParameterDescription(name: "matrix", shape: .matrix(outputs: 10, inputs: 20)),
  ParameterDescription(name: "heads", shape: .matrices(3, outputs: 10, inputs: 10, order: .inputsByOutputs)),
]

private let rule = RoutedOptimizer(Muon(), where: \.shape.isMatrix, otherwise: AdamW())

@Test(arguments: [1, 2, 3, 5, 8, 64]) func everyElementHasOneOwner(rankCount: Int) {
  let ownership = ParameterOwnership(of: parameters, among: rankCount, chunkLength: 70) { rule.updateWork(of: $0) }
  for (index, parameter) in parameters.enumerated() {
    let parts = ownership.parts.filter { $0.parameter == index }
    #expect(parts.flatMap { Array($0.elements) } == Array(0..<parameter.shape.elementCount))
    for part in parts {
      // Of whole matrices alike, so that it is updated as they are together.
      #expect(part.description.shape.elementCount == part.elements.count)
      #expect(part.description.name == parameter.name && ParameterKind(part.description) == ParameterKind(parameter))
      let (stack, whole) = (part.description.shape.matrixStack, parameter.shape.matrixStack)
      #expect(stack?.outputs == whole?.outputs && stack?.inputs == whole?.inputs && stack?.order == whole?.order)
    }
    let pieces = ownership.chunks.flatMap(\.pieces).filter { $0.parameter == index }
    #expect(pieces.flatMap { Array($0.elements) } == Array(0..<parameter.shape.elementCount))
  }
  for chunk in ownership.chunks {
    #expect(chunk.pieces.flatMap { Array($0.places) } == Array(0..<chunk.elementCount) && chunk.elementCount <= 70)
    for piece in chunk.pieces {
      let part = ownership.parts(of: chunk.rank)[piece.part]
      #expect(part.parameter == piece.parameter && part.elements.contains(piece.elements))
      #expect(piece.places.count == piece.elements.count)
    }
  }
}

@Test func smallParametersAreSentTogether() {
  let chunks = ParameterOwnership(of: parameters, among: 1) { $0.shape.elementCount }.chunks
  #expect(chunks.map(\.pieces.count) == [parameters.count])
}

@Test func ranksHaveAboutAsMuchWorkInTheirUpdates() {
  let total = parameters.reduce(0) { $0 + rule.updateWork(of: $1) }
  let largest = rule.updateWork(of: parameters[3])
  for rankCount in 1...8 {
    let ownership = ParameterOwnership(of: parameters, among: rankCount) { rule.updateWork(of: $0) }
    for rank in 0..<rankCount {
      let work = ownership.parts(of: rank).reduce(0) { $0 + rule.updateWork(of: $1.description) }
      #expect(abs(work - total / rankCount) <= largest, "rank \(rank) of \(rankCount)")
    }
  }
}
