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
  for (data, part) in [
    (whole.dropLast(2), "truncated"), (Data("NKTOKEN2".utf8), "not a token file"),
    (Data("NKTOKEN1".utf8) + whole.dropFirst(8), "of another version"),
    (Data("something else entirely".utf8), "not a token file"),
    (whole.prefix(8) + Data(repeating: 0xFF, count: 8) + whole.dropFirst(16), "header is damaged"),
  ] {
    _ = try write(Data(data), "b.tokens", in: folder)
    #expect { try TokenFile(folder.path + "/b.tokens", tokenizer: tokenizer) } throws: {
      "\($0)".contains(part)
    }
  }
}

@Test func everyFlippedBitIsFound() throws {
  let folder = try TemporaryFolder()
  let tokenizer = try tokenizer()
  let path = folder.path + "/a.tokens"
  let writer = try TokenFileWriter(path, tokenizer: tokenizer)
  try writer.append([5, 6, 7], of: "abc")
  try writer.finish()
  let whole = try Data(contentsOf: URL(fileURLWithPath: path))
  for index in whole.indices {
    var flipped = whole
    flipped[index] ^= 1 << UInt8(index % 8)
    try flipped.write(to: URL(fileURLWithPath: path))
    #expect(throws: TokenFileError.self, "byte \(index)") { try TokenFile(path, tokenizer: tokenizer) }
  }
}

/// Whatever file the stories lie in, what was read is known by one hash.
@Test func theHashIsOfTheTokens() throws {
  let folder = try TemporaryFolder()
  let tokenizer = try tokenizer()
  func hash(_ tokens: [[Int32]]) throws -> String {
    let writer = try TokenFileWriter(folder.path + "/a.tokens", tokenizer: tokenizer)
    for story in tokens { try writer.append(story, of: "abc") }
    try writer.finish()
    return try TokenFile(folder.path + "/a.tokens", tokenizer: tokenizer).header.sha256
  }
  #expect(try hash([[5, 6], [7]]) == hash([[5, 6], [7]]))
  #expect(try hash([[5, 6], [7]]) != hash([[5, 7], [6]]))
}
