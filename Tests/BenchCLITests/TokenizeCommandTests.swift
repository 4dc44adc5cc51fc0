import Foundation
import NanoData
import NanoTestSupport
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
}
