import Dispatch
import Foundation
import NanoTestSupport
import NanoTraining
import Synchronization
import Testing

@Test func runsAtTheSameTimeGetFoldersOfTheirOwn() throws {
  let parent = try TemporaryFolder()
  let names = ["", "-2", "-3", "-4"].map { "\(parent.path)/runs/now\($0)" }
  let found = Mutex<Set<String>>([])
  DispatchQueue.concurrentPerform(iterations: 4) { index in
    do {
      let name = try RunFolder.create(names, with: ["a": Data([UInt8(index)])])
      found.withLock { _ = $0.insert(name) }
    } catch {
      Issue.record(error)
    }
  }
  #expect(found.withLock { $0 } == Set(names))
  #expect(try names.map { try Data(contentsOf: URL(fileURLWithPath: $0 + "/a"))[0] }.sorted() == [0, 1, 2, 3])
  #expect(try FileManager.default.contentsOfDirectory(atPath: parent.path + "/runs").count == 4)
  #expect { try RunFolder.create(names, with: ["a": Data()]) } throws: { "\($0)".contains("is not empty") }
}

/// As a mount point: its name cannot be taken over, and what is around it may be read-only.
@Test func anEmptyFolderIsFilled() throws {
  let parent = try TemporaryFolder()
  let path = parent.path + "/mine"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  let number = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
  #expect(try RunFolder.create([path], with: ["a": Data([7])]) == path)
  #expect(try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int == number)
  #expect(try Data(contentsOf: URL(fileURLWithPath: path + "/a")) == Data([7]))
  #expect { try RunFolder.create([path], with: ["b": Data()]) } throws: { "\($0)".contains("is not empty") }
}

@Test func aRunIsHeldByOneProcess() throws {
  let folder = try TemporaryFolder()
  let hold = try RunFolder.hold(folder.path)
  #expect { try RunFolder.hold(folder.path) } throws: { "\($0)".contains("another process is at work") }
  withExtendedLifetime(hold) {}
}
