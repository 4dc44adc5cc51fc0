import Foundation
import NanoData
import NanoTestSupport
import Testing

@Test func damagedAndForeignTokenFilesAreRefused() throws {
  let folder = try TemporaryFolder()
  let tokenizer = try tokenizer()
  let path = folder.path + "/a.tokens"
  let writer = try TokenFileWriter(path, tokenizer: tokenizer)
  try writer.append([5, 6, 7], of: "abc")
  try writer.finish()
  #expect(try TokenFile(path, tokenizer: tokenizer)[0..<4] == [5, 6, 7, tokenizer.endOfStory])
  let other = try SentencePieceTokenizer(trainingOn: ["other words"], vocabularySize: 300)
  #expect { try TokenFile(path, tokenizer: other) } throws: { "\($0)".contains("another tokenizer") }
  let whole = try Data(contentsOf: URL(fileURLWithPath: path))
  var tooLarge = whole
  tooLarge[whole.count - 3] = 0xFE  // the upper byte of the last but one
  for (data, part) in [
    (whole.dropLast(2), "truncated"), (Data("NKTOKEN1".utf8), "not a token file"),
    (Data("something else entirely".utf8), "not a token file"),
    (whole.prefix(8) + Data(repeating: 0xFF, count: 8) + whole.dropFirst(16), "header is damaged"),
    (tooLarge, "a token \(0xFE07) where the tokenizer has"),
  ] {
    _ = try write(Data(data), "b.tokens", in: folder)
    #expect { try TokenFile(folder.path + "/b.tokens", tokenizer: tokenizer) } throws: {
      "\($0)".contains(part)
    }
  }
}
