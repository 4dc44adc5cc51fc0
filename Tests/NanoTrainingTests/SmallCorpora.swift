import NanoData
import NanoTestSupport

/// Thirty short stories as tokens of the fixtures' tokenizer.
func storyTokens(_ folder: TemporaryFolder) throws -> (TokenFile, SentencePieceTokenizer) {
  let tokenizer = try SentencePieceTokenizer(
    model: Fixture.data("sentencepiece/tokenizer.model"))
  let writer = try TokenFileWriter(folder.path + "/a.tokens", tokenizer: tokenizer)
  for index in 0..<30 {
    let story = "Bo hid a song under the old tree, \(index) times."
    try writer.append(try tokenizer.encode(story), of: story)
  }
  try writer.finish()
  return (try TokenFile(folder.path + "/a.tokens", tokenizer: tokenizer), tokenizer)
}

/// A text of characters as tokens.
func textCorpus(_ text: String, _ tokens: [Int32]) -> Corpus {
  Corpus(
    characters: tokens, of: text, tokenizer: CharacterTokenizer(vocabularyOf: text),
    record: DataRecord(
      source: "test", path: nil, validationPath: nil, builtInSeed: nil, form: "text", split: "", trainingSHA256: "",
      validationSHA256: ""))
}
