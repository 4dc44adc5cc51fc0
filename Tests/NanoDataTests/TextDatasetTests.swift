import NanoData
import NanoTensor
import Testing

@Test func windowsAreShiftedByOneAndStayInTheirSplit() throws {
  let dataset = try TextDataset(tokens: (0..<1000).map(Int32.init), contextLength: 8)
  var generator = RandomGenerator(seed: 1)
  for split in Split.allCases {
    let batch = dataset.batch(
      of: split, sequenceCount: 200, sequenceLength: 8, using: &generator)
    #expect(zip(batch.inputs, batch.targets).allSatisfy { $0 + 1 == $1 })
    #expect(batch.inputs.allSatisfy { ($0 < 900) == (split == .training) })
    #expect(batch.targets.allSatisfy { ($0 < 900) == (split == .training) })
  }
}

@Test func shortTextsAreRefused() {
  #expect(throws: DatasetError.self) {
    try TextDataset(tokens: Array(repeating: 0, count: 100), contextLength: 32)
  }
}
