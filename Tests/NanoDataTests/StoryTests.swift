import Dispatch
import Foundation
import NanoData
import NanoTensor
import NanoTestSupport
import Synchronization
import Testing

private func tokenizer() throws -> SentencePieceTokenizer {
  try SentencePieceTokenizer(model: Fixture.data("sentencepiece/tokenizer.model"))
}

private func write(_ text: String, _ name: String, in folder: TemporaryFolder) throws -> String {
  try write(Data(text.utf8), name, in: folder)
}

private func write(_ data: Data, _ name: String, in folder: TemporaryFolder) throws -> String {
  let path = folder.path + "/" + name
  try data.write(to: URL(fileURLWithPath: path))
  return path
}

private func stories(_ path: String) throws -> [String] {
  var result: [String] = []
  try StoryReader(path).forEachStory { story, _ in result.append(story) }
  return result
}

// MARK: Tokenizer

@Test func idsEqualThePythonPackage() throws {
  struct Entry: Codable {
    var text: String
    var ids: [Int32]
  }
  let tokenizer = try tokenizer()
  let entries = try JSONDecoder().decode([Entry].self, from: Fixture.data("sentencepiece/ids.json"))
  #expect(entries.count == 14)
  for entry in entries {
    #expect(try tokenizer.encode(entry.text) == entry.ids, "\(entry.text.debugDescription)")
    #expect(tokenizer.decode(entry.ids) == entry.text)
  }
}

@Test func encodingLosesNothing() throws {
  let tokenizer = try tokenizer()
  var texts = ["\u{2581}", "a\u{2581}b \u{2581}\u{2581}", "\u{FFFD}", "\u{FEFF}bom", "\u{0}zero", "\u{10FFFF}"]
  var generator = RandomGenerator(seed: 3)
  for length in 0..<200 {
    var scalars = String.UnicodeScalarView()
    while scalars.count < length {
      // Half letters and spaces, half anything.
      let wide = generator.nextInt(below: 2) == 0
      let value = generator.nextInt(below: wide ? 0x11_0000 : 0x7F)
      if let scalar = Unicode.Scalar(UInt32(value)) { scalars.append(scalar) }
    }
    texts.append(String(scalars))
  }
  for text in texts {
    let decoded = tokenizer.decode(try tokenizer.encode(text))
    // Scalar by scalar: strings compare equal under canonical equivalence.
    #expect(Array(decoded.unicodeScalars) == Array(text.unicodeScalars))
  }
}

@Test func everyFixtureRoundTrips() throws {
  let tokenizer = try tokenizer()
  let files = try FileManager.default.subpathsOfDirectory(atPath: Fixture.folder)
    .filter { $0.hasSuffix(".json") || $0.hasSuffix(".txt") }
  #expect(files.count >= 4)
  for file in files {
    let text = String(decoding: try Fixture.data(file), as: UTF8.self)
    #expect(tokenizer.decode(try tokenizer.encode(text)) == text, "\(file)")
  }
}

@Test func trainingIsAFunctionOfTheTextAndLossless() throws {
  let texts = (0..<300).map { "Story \($0): the cat and the dog went out.\n\nThey came home — late." }
  let first = try SentencePieceTokenizer(trainingOn: texts, vocabularySize: 350)
  let second = try SentencePieceTokenizer(trainingOn: texts, vocabularySize: 350)
  #expect(first.model == second.model)
  #expect(first.vocabularySize <= 350 && first.vocabularySize > 256)
  #expect(first.decode(try first.encode(texts[7] + " ✓ \u{2581}")) == texts[7] + " ✓ \u{2581}")
  #expect(try first.encode(texts[0]).count < texts[0].count / 2)
  #expect {
    try SentencePieceTokenizer(trainingOn: texts, vocabularySize: 100)
  } throws: {
    "\($0)".contains("100 pieces") && "\($0)".contains("ask for more")
  }
}

@Test func tokenizersLearnFromLongTextsAndFromTextsWithoutSpaces() throws {
  let long = try SentencePieceTokenizer(
    trainingOn: [String(repeating: "somewhere ", count: 5_000)], vocabularySize: 300)
  #expect(try long.encode("somewhere").count == 1)
  let spaceless = try SentencePieceTokenizer(
    trainingOn: [String(repeating: "物語", count: 20_000)], vocabularySize: 300)
  #expect(spaceless.decode(try spaceless.encode("物 語")) == "物 語")
}

@Test func foreignAndTruncatedModelsAreRefused() throws {
  let model = try Fixture.data("sentencepiece/tokenizer.model")
  for bad in [Data(), Data("not a model".utf8), model.prefix(model.count / 2), Data(count: 4096)] {
    #expect(throws: TokenizerError.self) { try SentencePieceTokenizer(model: Data(bad)) }
  }
}

// MARK: Stories

@Test func storiesOfAllForms() throws {
  let folder = try TemporaryFolder()
  let marks = try write(
    "One.\nTwo lines.\n<|endoftext|>\n\n<|endoftext|>  Second. <|endoftext|>\nLast", "a.txt", in: folder)
  #expect(try stories(marks) == ["One.\nTwo lines.", "Second.", "Last"])
  let lines = try write(
    #"{"text": "A \u00e9"}"# + "\n\n" + #"{"story": " B\n", "n": 1}"# + "\r\n", "b.jsonl", in: folder)
  #expect(try stories(lines) == ["A é", "B"])
  let paragraph = String(repeating: "word ", count: 150) + "\n\n"
  let plain = try write(
    String(repeating: paragraph, count: 4), "c.txt", in: folder)
  let cut = try stories(plain)
  #expect(cut.count == 2 && cut.joined() == String(repeating: paragraph, count: 4))
}

/// Lines without blank ones, blank lines of Windows, no lines, no spaces, and more than a buffer of it.
@Test func plainTextOfAnyKindIsCutIntoStories() throws {
  let folder = try TemporaryFolder()
  let line = String(repeating: "word ", count: 40) + "\n"
  for (name, text, ends) in [
    ("lines", String(repeating: line, count: 500), "\n"),
    ("windows", String(repeating: "Some words.\r\n\r\n", count: 3_000), "\r\n\r\n"),
    ("words", String(repeating: "word ", count: 20_000), " "),
    ("letters", String(repeating: "語é🙂", count: 10_000), ""),
    ("long", String(repeating: line, count: 30_000), "\n"),
  ] {
    let cut = try stories(try write(text, "\(name).txt", in: folder))
    #expect(cut.count > 10 && cut.joined() == text, "\(name)")
    #expect(cut.allSatisfy { $0.utf8.count <= 4_000 && $0.hasSuffix(ends) }, "\(name)")
  }
}

@Test func storiesLongerThanTheBufferStayWhole() throws {
  let folder = try TemporaryFolder()
  let long = String(repeating: "é", count: 3_000_000)
  let path = try write("a<|endoftext|>" + long + "<|endoftext|>b", "long.txt", in: folder)
  #expect(try stories(path) == ["a", long, "b"])
}

@Test func aSplitWithoutStoriesIsNamed() throws {
  let folder = try TemporaryFolder()
  let path = try write("One.<|endoftext|>", "few.txt", in: folder)
  let preparation = StoryPreparation(try StorySource(path), cacheFolder: folder.path + "/cache")
  #expect(try preparation.tokens(of: .training, tokenizer: tokenizer()).header.storyCount == 1)
  #expect {
    try preparation.tokens(of: .validation, tokenizer: tokenizer())
  } throws: {
    "\($0)".contains("few.txt: no story for validation")
  }
}

@Test func badStoriesAreNamed() throws {
  let folder = try TemporaryFolder()
  func expect(_ data: Data, _ name: String, _ part: String) throws {
    let path = try write(data, name, in: folder)
    #expect { try stories(path) } throws: { "\($0)".contains(part) && "\($0)".contains(name) }
  }
  try expect(Data(), "empty.txt", "is empty")
  try expect(Data(" \n<|endoftext|>\n<|endoftext|>".utf8), "none.txt", "no story")
  try expect(Data("abc\0def<|endoftext|>".utf8), "nul.txt", "NUL byte at offset 3")
  try expect(Data("abc<|endoftext|>d".utf8) + [0xFF, 0x20], "utf8.txt", "invalid byte at offset 17")
  try expect(Data("{\"text\":\"a\"}\n{\"text\":\n".utf8), "bad.jsonl", "line 2 is not a JSON object")
  try expect(Data("{\"text\":\"a\"}\n{\"x\":1}\n".utf8), "field.jsonl", "line 2 has no 'text'")
  #expect(throws: StoryError.self) { try StoryReader(folder.path) }
  #expect { try StorySource(folder.path) } throws: { "\($0)".contains("no TinyStories file") }
  #expect { try StorySource(folder.path + "/nowhere") } throws: { "\($0)".contains("no such file") }
}

@Test func oneStoryInTenValidatesAndFoldersHaveTheirOwn() throws {
  let folder = try TemporaryFolder()
  let text = (0..<40).map { "Story \($0)." }.joined(separator: "<|endoftext|>")
  let path = try write(text, "train.txt", in: folder)
  func split(_ source: StorySource, _ split: Split) throws -> [String] {
    var result: [String] = []
    try source.forEachStory(of: split) { story, _ in result.append(story) }
    return result
  }
  let single = try StorySource(path)
  #expect(try split(single, .validation) == ["Story 1.", "Story 11.", "Story 21.", "Story 31."])
  #expect(try split(single, .training).count == 36)
  let two = try StorySource(try write("One.<|endoftext|>Two.", "two.txt", in: folder))
  #expect(try split(two, .training) == ["One."] && split(two, .validation) == ["Two."])
  _ = try write("Other.", "valid.txt", in: folder)
  let both = try StorySource(folder.path)
  #expect(try split(both, .validation) == ["Other."])
  #expect(try split(both, .training).count == 40)
}

// MARK: Token files

@Test func tokenFilesRoundTripAndComeFromTheCache() throws {
  let folder = try TemporaryFolder()
  let texts = (0..<50).map { "Kim found a kite, number \($0), near the river. ✓" }
  let path = try write(texts.joined(separator: "<|endoftext|>"), "train.txt", in: folder)
  let tokenizer = try tokenizer()
  let preparation = StoryPreparation(try StorySource(path), cacheFolder: folder.path + "/cache")
  let file = try preparation.tokens(of: .training, tokenizer: tokenizer)
  var expected: [Int32] = []
  let training = texts.enumerated().filter { $0.offset % 10 != 1 }.map(\.element)
  for text in training { expected += try tokenizer.encode(text) + [tokenizer.endOfStory] }
  #expect(file[0..<file.count] == expected)
  #expect(file.header.storyCount == 45)
  #expect(file.header.characterCount == training.reduce(0) { $0 + $1.unicodeScalars.count })
  #expect(file.header.byteCount == training.reduce(0) { $0 + $1.utf8.count })

  let cached = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cache")
  #expect(cached.count == 1)
  _ = try preparation.tokens(of: .training, tokenizer: tokenizer)
  #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cache") == cached)
}

/// Whoever comes later waits, and finds what the first one made.
@Test func preparationsAtTheSameTimeShareACache() throws {
  let folder = try TemporaryFolder()
  let texts = (0..<4_000).map { "Kim found a kite, number \($0), near the river." }
  let path = try write(texts.joined(separator: "<|endoftext|>"), "train.txt", in: folder)
  let source = try StorySource(path)
  let cache = folder.path + "/cache"
  try FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: false)
  let another = Mutex(FolderLock(cache))
  let makes = Mutex(0)
  let files = Mutex<[TokenFile]>([])
  DispatchQueue.concurrentPerform(iterations: 4) { _ in
    let preparation = StoryPreparation(source, cacheFolder: cache) { stage, share in
      if stage == .waiting { another.withLock { $0 = nil } }
      if stage == .tokenizing && share == 1 { makes.withLock { $0 += 1 } }
    }
    do {
      let tokenizer = try preparation.tokenizer(model: nil, vocabularySize: 320)
      let file = try preparation.tokens(of: .training, tokenizer: tokenizer)
      files.withLock { $0.append(file) }
    } catch {
      Issue.record(error)
    }
  }
  let all = files.withLock { files in files.map { $0[0..<$0.count] } }
  #expect(all.count == 4 && Set(all).count == 1)
  #expect(makes.withLock { $0 } == 1)
  #expect(another.withLock { $0 == nil })
}

@Test func aFolderIsHeldByOne() throws {
  let folder = try TemporaryFolder()
  let holder = Mutex(FolderLock(folder.path))
  #expect(holder.withLock { $0 != nil })
  #expect(FolderLock(folder.path) == nil)
  holder.withLock { $0 = nil }
  #expect(FolderLock(folder.path) != nil)
}

@Test(.timeLimit(.minutes(1))) func whoeverWaitsForAFolderGetsItWhenItIsFree() throws {
  let folder = try TemporaryFolder()
  let holder = Mutex(FolderLock(folder.path))
  let wasFreed = Mutex(false)
  Thread.detachNewThread {
    Thread.sleep(forTimeInterval: 0.2)
    wasFreed.withLock { $0 = true }
    holder.withLock { $0 = nil }
  }
  #expect(FolderLock(folder.path, waits: true) != nil)
  #expect(wasFreed.withLock { $0 })
}

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

@Test func sha256OfKnownTexts() {
  #expect(
    SHA256.hexadecimal(of: "".utf8)
      == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  #expect(
    SHA256.hexadecimal(of: "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)
      == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
  var hash = SHA256()
  for _ in 0..<10_000 { hash.update(Array(repeating: UInt8(ascii: "a"), count: 100)) }
  #expect(hash.finalized() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
}
