import Foundation
import NanoData
import NanoTestSupport
import Testing

private func stories(_ path: String) throws -> [String] {
  var result: [String] = []
  try StoryReader(path).forEachStory { story, _ in result.append(story) }
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
