import Foundation
import Testing

/// Threads, warps and tensor cores, in a C++ program that `Tools/gpu/emulate.sh` compiles.
struct EmulatedThreadsTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private static let hasCompiler =
    ProcessInfo.processInfo.environment["PATH", default: ""].split(separator: ":").contains {
      FileManager.default.isExecutableFile(atPath: $0 + "/clang++")
    }

  private func run(_ names: [String]) throws -> [(status: Int32, output: String)] {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let program = folder.appendingPathComponent("threads").path
    let script = Self.root.appendingPathComponent("Tools/gpu/emulate.sh").path
    let source = Self.root.appendingPathComponent("Tests/CUDAEmulationTests/Programs/threads.cpp").path
    let compiled = try call(script, ["--output", program, source])
    try #require(compiled.status == 0, "\(compiled.output)")
    return try names.map { try call(program, [$0]) }
  }

  private func call(_ path: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, output)
  }

  @Test(.enabled(if: hasCompiler, "clang++ is not installed"))
  func kernelsRunAsOnAGPUAndWrongOnesEnd() throws {
    let wrong = [
      "barrier_for_some": "a barrier or warp operation that some never reach",
      "different_barriers": "wait at different barriers",
      "left_out_of_the_mask": "with the mask 0xffff, which leaves it out",
      "beyond_shared_memory": "byte 63 of dynamic shared memory was written",
    ]
    let names = wrong.keys.sorted()
    let results = try run(["all"] + names)
    #expect(results[0].status == 0 && results[0].output == "all hold\n", "\(results[0].output)")
    for (name, result) in zip(names, results.dropFirst()) {
      #expect(result.status != 0)
      #expect(result.output.contains("kernel \(name)") && result.output.contains(wrong[name]!), "\(result.output)")
    }
  }
}
