import Foundation
import NanoData
import NanoExperiments
import NanoTestSupport
import NanoTraining
import Testing

@Test func tokenizeWritesATokenizerAndTokens() throws {
  let stories = try Stories()
  let out = stories.folder.path + "/tokens"
  let result = try stories.run(["tokenize", "--data", stories.data, "--vocab", "350", "--out", out])
  #expect(result.status == 0, "\(result.error)")
  let tokenizer = try SentencePieceTokenizer(model: stories.file("tokens/tokenizer.model"))
  let (training, validation) = (
    try TokenFile(out + "/training.tokens", tokenizer: tokenizer),
    try TokenFile(out + "/validation.tokens", tokenizer: tokenizer)
  )
  #expect(training.header.storyCount > 8 * validation.header.storyCount)
  #expect(validation.count > 0)
  let both = try stories.run([
    "tokenize", "--data", stories.data, "--tokenizer", out + "/tokenizer.model", "--vocab", "350", "--out", out + "2",
  ])
  #expect(both.status == 64 && both.error.contains("--vocab has no effect"), "\(both.error)")
}

/// As a corpus of TinyStories is published: the form is told, and no syntax is taken for stories.
@Test func theFormIsToldAndTheStoriesAreCounted() throws {
  let stories = try Stories()
  let texts = (0..<120).map { "Kim found a kite, number \($0), near the river. It was red, and it flew." }
  let array = stories.folder.path + "/data00.json"
  try JSONEncoder().encode(texts.map { ["story": $0] }).write(to: URL(fileURLWithPath: array))
  func tokenize(_ path: String) throws -> CommandResult {
    try stories.run(["tokenize", "--data", path, "--vocab", "330", "--out", path + ".tokens"])
  }
  let result = try tokenize(array)
  #expect(result.status == 0, "\(result.error)")
  #expect(result.output.contains("data00.json: a JSON array"), "\(result.output)")
  #expect(result.output.contains("training: 108 stories") && result.output.contains("validation: 12 stories"))
  let table = stories.folder.path + "/train.csv"
  try Data("text\n\"Once upon a time.\"\n".utf8).write(to: URL(fileURLWithPath: table))
  let refused = try tokenize(table)
  #expect(refused.status == 1 && refused.error.contains("JSON Lines"), "\(refused.error)")
  let run = try stories.run([
    "compare", "--preset", "stories", "--size", "0.3M", "--layers", "1", "--context", "16", "--vocab", "330",
    "--models", "nanogpt", "--iterations", "1", "--batch", "2", "--data", array, "--out", stories.folder.path + "/run",
  ])
  #expect(run.error.contains("a JSON array, 108 to train on"), "\(run.error)")
  #expect(try stories.results("run").corpus.form == "a JSON array")
}

/// As by a kill: what it leaves is in nobody's way.
@Test func aKilledTokenizeBlocksNothing() throws {
  let stories = try Stories()
  let arguments = [
    "tokenize", "--data", stories.data, "--vocab", "350", "--out", stories.folder.path + "/tokens",
  ]
  for delay in [0.02, 0.1, 0.2, 0.3] {
    _ = try stories.run(arguments, killAfter: delay)
    if FileManager.default.fileExists(atPath: stories.folder.path + "/tokens") { break }
  }
  try? FileManager.default.removeItem(atPath: stories.folder.path + "/tokens")
  let result = try stories.run(arguments)
  #expect(result.status == 0, "\(result.error)")
  let files = try FileManager.default.contentsOfDirectory(atPath: stories.folder.path)
  #expect(!files.contains { $0.hasSuffix(".partial") })
}
