import NanoData
import NanoTestSupport
import Testing

private func corpus(_ count: Int) -> Corpus {
  let text = String((0..<count).map { Character(Unicode.Scalar(UInt32(0x100 + $0))!) })
  return Corpus(
    characters: (0..<Int32(count)).map { $0 }, of: text, tokenizer: CharacterTokenizer(vocabularyOf: text),
    record: DataRecord(
      source: "test", path: nil, validationPath: nil, builtInSeed: nil, form: "text", split: "", trainingSHA256: "",
      validationSHA256: ""))
}

@Test func windowsAreShiftedByOneAndStayInTheirSplit() throws {
  let corpus = corpus(1000)
  var generator = SeededGenerator(seed: 1)
  for split in Split.allCases {
    let batch = corpus[split].batch(sequenceCount: 200, sequenceLength: 8, using: &generator)
    #expect(zip(batch.inputs, batch.targets).allSatisfy { $0 + 1 == $1 })
    #expect(batch.inputs.allSatisfy { ($0 < 900) == (split == .training) })
    #expect(batch.targets.allSatisfy { ($0 < 900) == (split == .training) })
  }
  #expect(corpus.validation.before == 899 && corpus.validation.byteCount == 200)
  #expect(corpus.training.characterCount == 900 && corpus.training.byteCount == 1800)
}

@Test func shortTextsAreRefused() throws {
  #expect(throws: CorpusError.self) { try corpus(100).requireWindows(of: 32) }
  try corpus(100).requireWindows(of: 9)
}
