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
}
