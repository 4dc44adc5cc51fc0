import Foundation
import NanoTestSupport

/// A run of the built command, in a folder of its own: what it writes beside what it was told to goes with that.
struct CommandResult {
  let status: Int32
  let output, error: String

  static var executable: URL {
    Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }.map {
      $0.bundleURL.deletingLastPathComponent().appending(path: "bench-cli")
    }
      ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appending(
        path: "bench-cli")
  }

  init(
    _ arguments: [String], shell prefix: String? = nil, signal: (numbers: [Int32], after: Double)? = nil
  ) throws {
    let process = Process()
    if let prefix {
      process.executableURL = URL(fileURLWithPath: "/bin/bash")
      process.arguments = ["-c", prefix + "; exec \"$0\" \"$@\"", Self.executable.path] + arguments
    } else {
      process.executableURL = Self.executable
      process.arguments = arguments
    }
    let folder = try TemporaryFolder()
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    // A command that waits until its errors are read cannot end its output: they go to a file.
    let errors = URL(fileURLWithPath: folder.path + "/errors")
    try Data().write(to: errors)
    let out = Pipe()
    process.standardOutput = out
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    if let signal {
      Thread.sleep(forTimeInterval: signal.after)
      for number in signal.numbers where process.isRunning {
        kill(process.processIdentifier, number)
        Thread.sleep(forTimeInterval: 0.02)
      }
    }
    let output = out.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let error = try Data(contentsOf: errors)
    status = process.terminationStatus
    self.output = String(decoding: output, as: UTF8.self)
    self.error = String(decoding: error, as: UTF8.self)
  }
}

let small = [
  "--iterations", "20", "--eval-interval", "10", "--eval-iters", "2", "--embd", "16", "--layers",
  "1",
  "--batch", "4", "--context", "16",
]
