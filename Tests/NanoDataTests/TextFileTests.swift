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
  expect("/dev/zero", "is a device")
  for (name, bytes, part) in [
    ("no-mark", Array("a\0b\0".utf8), "a NUL byte at offset 1"),
    ("utf-16", [0xFF, 0xFE] + Array("a\0".utf8), "iconv -f UTF-16"),
    ("utf-32", [0xFF, 0xFE, 0, 0] + Array("a\0\0\0".utf8), "iconv -f UTF-32"),
    ("note", Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\n".utf8), "git lfs pull"),
  ] {
    try Data(bytes).write(to: URL(fileURLWithPath: folder.path + "/" + name))
    expect(folder.path + "/" + name, part)
  }
  #expect(FileHandle.contents(ofFile: "/dev/zero") == nil)
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
