import Foundation
@testable import NanoData
import NanoTestSupport
import Testing

private func stories(_ path: String) throws -> [String] {
  var result: [String] = []
  try StorySource(path, validation: path).forEachStory(of: .training) { story, _ in result.append(story) }
  return result
}

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

/// Files are read in blocks of 1 MiB, in which a mark may begin and not end.
@Test func marksMayLieAcrossBlocks() throws {
  let folder = try TemporaryFolder()
  for shift in 0...14 {
    let first = String(repeating: "a", count: (1 << 20) - shift)
    let path = try write(first + "<|endoftext|>b<|endoftext|>c", "marks.txt", in: folder)
    #expect(try stories(path) == [first, "b", "c"], "\(shift) bytes before the end of a block")
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

/// As corpora are published: an array of objects or of strings, in any layout, also behind a byte-order mark.
@Test func jsonArraysAreReadStoryByStory() throws {
  let folder = try TemporaryFolder()
  func expect(_ text: String, _ name: String, _ expected: [String]) throws {
    let path = try write(text, name, in: folder)
    #expect(try StoryReader(path).form == .jsonArray, "\(name)")
    #expect(try stories(path) == expected, "\(name)")
  }
  try expect(
    #"[{"story": "A, [b] \"c\" }", "n": [1, {"x": 2}]},{"text":"D\u00e9 \\"}]"#, "a.json",
    ["A, [b] \"c\" }", "Dé \\"])
  try expect("\u{FEFF}[\n  {\n    \"text\": \"One.\"\n  } ,\n  { \"story\": \"\" }\n]\n", "b.json", ["One."])
  try expect(#" [ "One.", "Two, ]" ] "#, "c.txt", ["One.", "Two, ]"])
  let long = (0..<40_000).map { String(repeating: "word ", count: 40) + "\($0)" }
  let objects = long.map { #"{"story": "\#($0)"}"# }
  try expect("[" + objects.joined(separator: ",\n") + "]", "long.json", long)
}

@Test func brokenJSONArraysAreNamed() throws {
  let folder = try TemporaryFolder()
  func expect(_ text: String, _ part: String) throws {
    let path = try write(text, "a.json", in: folder)
    #expect { try stories(path) } throws: { "\($0)".contains("a.json") && "\($0)".contains(part) }
  }
  try expect(#"[{"text": "a"}, {"text": "b"}"#, "ends before the array does")
  try expect(#"[{"text": "a"}, {"text": "b"#, "ends before the array does")
  try expect(#"[{"text": "a"} {"text": "b"}]"#, "at byte 15: a comma or a bracket is missing")
  try expect(#"[{"text": "a"}, ]"#, "an element is missing")
  try expect(#"[{"text": "a"}] {}"#, "something follows")
  try expect(#"[{"text": "a"}, {oops}]"#, "story 2 of the array is not a JSON object")
  try expect(#"[{"text": "a"}, 7]"#, "story 2 of the array is not a JSON object")
  try expect(#"[{"text": "a"}, {"title": "b"}]"#, "story 2 of the array has no 'text'")
  try expect("[]", "no story")
  try expect("Just text.", "neither a JSON array nor JSON Lines")
}

@Test func jsonLinesMayHaveAMarkAndAnyName() throws {
  let folder = try TemporaryFolder()
  let lines = #"{"text": "A"}"# + "\n" + #"{"story": "B"}"# + "\n"
  let marked = "\u{FEFF}" + lines
  for (text, name) in [(marked, "a.jsonl"), (marked, "b.json"), (lines, "c.json"), (lines, "d.txt")] {
    let path = try write(text, name, in: folder)
    #expect(try StoryReader(path).form == .jsonLines && stories(path) == ["A", "B"], "\(name)")
  }
  // Braces and brackets also begin texts.
  for text in ["{{Infobox}} and more.", "[Enter a ghost.] Boo."] {
    let path = try write(text, "e.txt", in: folder)
    #expect(try StoryReader(path).form == .plainText && stories(path) == [text])
  }
  let distributed = try write("\u{FEFF}One.<|endoftext|>Two.", "f.txt", in: folder)
  #expect(try stories(distributed) == ["One.", "Two."])
}

/// Never trained on as plain text: tables, and what is packed.
@Test func tablesAndPackedFilesAreRefusedWithAdvice() throws {
  let folder = try TemporaryFolder()
  func expect(_ data: Data, _ name: String, _ part: String) throws {
    let path = try write(data, name, in: folder)
    #expect { try StoryReader(path) } throws: { "\($0)".contains(name) && "\($0)".contains(part) }
  }
  let csv = Data("id,text\n1,\"Once upon a time\"\n".utf8)
  for name in ["a.csv", "a.CSV", "a.txt", "a.tsv"] { try expect(csv, name, "JSON Lines") }
  try expect(Data("text\n\"Once upon a time\"\n".utf8), "b.txt", "JSON Lines")
  try expect(Data("text\tid\nOnce\t1\n".utf8), "c.txt", "JSON Lines")
  try expect(Data([0xEF, 0xBB, 0xBF]) + csv, "d.txt", "JSON Lines")
  try expect(Data("PAR1".utf8) + Data([0x15, 0, 0xFF]), "train-00000.parquet", "train-00000.parquet' > stories.jsonl")
  try expect(Data([0x1F, 0x8B, 8, 0]), "a.txt.gz", "gunzip")
  try expect(Data([0x28, 0xB5, 0x2F, 0xFD, 0]), "a.zst", "unzstd")
  try expect(Data([0x50, 0x4B, 3, 4, 0]), "a.zip", "unzip")
  try expect(Data([0xFF, 0xFE, 0x61, 0]), "wide.txt", "UTF-16")
  // As the Hub keeps them.
  let data = folder.path + "/hub/data"
  try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
  for name in ["train-00000-of-00002.parquet", "validation-00000-of-00001.parquet"] {
    try Data("PAR1".utf8).write(to: URL(fileURLWithPath: "\(data)/\(name)"))
  }
  #expect { try StorySource(folder.path + "/hub") } throws: { "\($0)".contains("'\(data)'/train*.parquet > stories") }
  // The way out for a text that only looks like a table.
  let text = "\ntext, story\n\"Yes\", she said.\n"
  #expect(try stories(try write(text, "e.txt", in: folder)) == [text])
}

/// Stories are read more than once, which a pipe allows only through a copy.
@Test func storiesMayComeThroughAPipe() throws {
  let folder = try TemporaryFolder()
  func source(_ text: String, _ name: String) throws -> StorySource {
    let path = folder.path + "/" + name
    #expect(mkfifo(path, 0o600) == 0)
    let writer = Thread {
      FileHandle(forWritingAtPath: path)?.write(Data(text.utf8))
    }
    writer.start()
    return try StorySource(path)
  }
  let text = (0..<40_000).map { "Story \($0).<|endoftext|>" }.joined()
  let piped = try source(text, "pipe")
  for _ in 0..<2 {
    var found: [String] = []
    try piped.forEachStory(of: .training) { story, _ in found.append(story) }
    #expect(found.count == 36_000 && found.first == "Story 0." && found.last == "Story 39999.")
  }
  #expect(try piped.fingerprint == source(text, "same").fingerprint)
  #expect(try piped.fingerprint != source(text.replacing("20000", with: "20001"), "other").fingerprint)
  #expect { try StoryReader("/dev/null") } throws: { "\($0)".contains("neither a file nor a pipe") }
}
