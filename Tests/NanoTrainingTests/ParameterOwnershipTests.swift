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
    let chunks = ownership.chunks.filter { $0.parameter == index }
    #expect(chunks.flatMap { Array($0.elements) } == Array(0..<parameter.shape.elementCount))
  }
  for chunk in ownership.chunks {
    let part = ownership.parts(of: chunk.rank)[chunk.part]
    #expect(part.parameter == chunk.parameter && part.elements.contains(chunk.elements) && chunk.elements.count <= 70)
  }
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
