import Dispatch
import Foundation
import NanoData
import NanoTestSupport
import Testing

@Test func aFileIsTheOldOneUntilItIsTheNewOne() throws {
  let folder = try TemporaryFolder()
  let path = folder.path + "/a"
  try AtomicFile.write(Data("old".utf8), to: path)
  do {
    let file = try AtomicFile(path)
    try file.append(Data("half of it".utf8))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("old".utf8))
  }
  #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a"])
  // What a killed process left is overwritten, also where it was longer.
  try Data(repeating: 7, count: 100).write(to: URL(fileURLWithPath: path + ".partial"))
  try AtomicFile.write(Data("new".utf8), to: path)
  #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("new".utf8))
  #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a"])
}

/// Each file is one writer's, never a mixture.
@Test func writersOfOneFileTakeTurns() throws {
  let folder = try TemporaryFolder()
  let path = folder.path + "/a"
  DispatchQueue.concurrentPerform(iterations: 8) { writer in
    do {
      for _ in 0..<20 {
        let file = try AtomicFile(path)
        for _ in 0..<10 { try file.append(Data(repeating: UInt8(writer), count: 1_000)) }
        try file.commit()
        let found = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(found.count == 10_000 && Set(found).count == 1)
      }
    } catch {
      Issue.record(error)
    }
  }
  #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a"])
}

@Test func linesOfARemovedFileAreAnError() throws {
  let folder = try TemporaryFolder()
  let path = folder.path + "/lines"
  let file = try LineFile(continuing: path, with: ["a"])
  try file.append("b")
  #expect(try String(contentsOfFile: path, encoding: .utf8) == "a\nb\n")
  try FileManager.default.removeItem(atPath: path)
  #expect { try file.append("c") } throws: { "\($0)".contains("was removed while it was written") }
}
