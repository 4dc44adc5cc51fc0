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
      let name = try OutputFolder.create(names, with: ["a": Data([UInt8(index)])])
      found.withLock { _ = $0.insert(name) }
    } catch {
      Issue.record(error)
    }
  }
  #expect(found.withLock { $0 } == Set(names))
  #expect(try names.map { try Data(contentsOf: URL(fileURLWithPath: $0 + "/a"))[0] }.sorted() == [0, 1, 2, 3])
  #expect(try FileManager.default.contentsOfDirectory(atPath: parent.path + "/runs").count == 4)
  #expect { try OutputFolder.create(names, with: ["a": Data()]) } throws: { "\($0)".contains("is not empty") }
}

/// As a mount point: its name cannot be taken over, and what is around it may be read-only.
@Test func anEmptyFolderIsFilled() throws {
  let parent = try TemporaryFolder()
  let path = parent.path + "/mine"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  let number = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
  #expect(try OutputFolder.create([path], with: ["a": Data([7])]) == path)
  #expect(try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int == number)
  #expect(try Data(contentsOf: URL(fileURLWithPath: path + "/a")) == Data([7]))
  #expect { try OutputFolder.create([path], with: ["b": Data()]) } throws: { "\($0)".contains("is not empty") }
}

@Test func aFolderIsHeldByOneProcess() throws {
  let folder = try TemporaryFolder()
  let hold = try OutputFolder.hold(folder.path)
  #expect { try OutputFolder.hold(folder.path) } throws: { "\($0)".contains("another process is at work") }
  withExtendedLifetime(hold) {}
}

/// A command that was killed before its folder had its name left that beside it, whatever was in it.
@Test func whatAKilledCommandLeftBesideAFolderIsNotInTheWay() throws {
  let parent = try TemporaryFolder()
  let path = parent.path + "/mine"
  try FileManager.default.createDirectory(atPath: path + ".partial/old", withIntermediateDirectories: true)
  try Data("half".utf8).write(to: URL(fileURLWithPath: path + ".partial/a"))
  #expect(try OutputFolder.create([path], with: ["b": Data([1])]) == path)
  #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["b"])
  #expect(try FileManager.default.contentsOfDirectory(atPath: parent.path) == ["mine"])
}

/// One that was killed while it filled an empty folder left some files there, and the names of all of them.
@Test func whatAKilledCommandLeftInAnEmptyFolderIsNotInTheWay() throws {
  let parent = try TemporaryFolder()
  let path = parent.path + "/mine"
  try FileManager.default.createDirectory(atPath: path + "/.partial", withIntermediateDirectories: true)
  #expect(try OutputFolder.create([path], with: ["b": Data([1])]) == path)
  try FileManager.default.removeItem(atPath: path + "/b")
  try FileManager.default.createDirectory(atPath: path + "/.partial", withIntermediateDirectories: true)
  for (name, text) in [("a", "old"), (".partial/b", "old"), (".partial/.names", "a\nb")] {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/" + name))
  }
  try OutputFolder.check(path)
  #expect(try OutputFolder.create([path], with: ["b": Data([2])]) == path)
  #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["b"])
  // What somebody put there is theirs.
  try FileManager.default.createDirectory(atPath: path + "/.partial", withIntermediateDirectories: true)
  #expect { try OutputFolder.check(path) } throws: { "\($0)".contains("is not empty") }
}

@Test func twoCommandsForOneFolderKeepApart() throws {
  let parent = try TemporaryFolder()
  let path = parent.path + "/mine"
  try OutputFolder.create([path]) { folder in
    #expect { try OutputFolder.create([path], with: ["b": Data([1])]) } throws: {
      "\($0)".contains("another process is making it")
    }
    try Data([2]).write(to: URL(fileURLWithPath: folder + "/a"))
  }
  #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["a"])
  try FileManager.default.removeItem(atPath: path)
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  try OutputFolder.create([path]) { _ in
    #expect { try OutputFolder.create([path], with: ["b": Data([1])]) } throws: {
      "\($0)".contains("another process is at work")
    }
  }
}

@Test func aFolderThatFailsLeavesNothing() throws {
  struct Failure: Error {}
  let parent = try TemporaryFolder()
  let path = parent.path + "/mine"
  for isThere in [false, true] {
    if isThere { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false) }
    #expect(throws: Failure.self) {
      try OutputFolder.create([path]) { folder in
        try Data([2]).write(to: URL(fileURLWithPath: folder + "/a"))
        throw Failure()
      }
    }
    let left = try FileManager.default.subpathsOfDirectory(atPath: parent.path)
    #expect(left == (isThere ? ["mine"] : []))
  }
}
