import Foundation
import NanoData
import NanoTestSupport
import Testing

@Test func badFilesAreNamed() throws {
  let folder = try TemporaryFolder()
  func expect(_ path: String, _ part: String) {
    #expect { try TextFile.read(path) } throws: { "\($0)".contains(part) }
  }
  expect(folder.path + "/none", "no such file")
  expect(folder.path, "is a directory")
  try Data().write(to: URL(fileURLWithPath: folder.path + "/empty"))
  expect(folder.path + "/empty", "empty")
  try Data("abcé".utf8 + [0xC3, 0x28]).write(to: URL(fileURLWithPath: folder.path + "/broken"))
  expect(folder.path + "/broken", "offset 5")
  try Data([0x1F, 0x8B, 8, 0]).write(to: URL(fileURLWithPath: folder.path + "/packed"))
  expect(folder.path + "/packed", "gunzip")
  try Data([0xEF, 0xBB, 0xBF]).write(to: URL(fileURLWithPath: folder.path + "/mark"))
  expect(folder.path + "/mark", "empty")
}

@Test func aByteOrderMarkIsNoText() throws {
  let folder = try TemporaryFolder()
  #expect(try TextFile.read(try write("\u{FEFF}a\u{FEFF}b", "a.txt", in: folder)) == "a\u{FEFF}b")
}

@Test func syntaxThatIsNoPlainTextIsTold() {
  #expect(TextFile.syntax(of: "To be, or not to be.\nThat is it.\n", path: "a.txt") == nil)
  #expect(TextFile.syntax(of: #"[{"text": "a"}]"#, path: "a.txt") == "JSON")
  #expect(TextFile.syntax(of: "a\nb\n", path: "a.csv") == "comma-separated values")
}
