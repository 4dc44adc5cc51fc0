import Foundation
import NanoTestSupport
import NanoTraining
import Testing

/// `Tools/faults`, compiled; nil where there is no compiler or no way to preload it.
private let library: String? = {
  #if os(Linux)
    let path = FileManager.default.temporaryDirectory.appending(path: "nano-kimi-faults-\(getpid()).so").path
    let source = URL(fileURLWithPath: Fixture.folder).appending(path: "../../Tools/faults/faults.c").standardized.path
    let compile = Process()
    compile.executableURL = URL(fileURLWithPath: "/bin/bash")
    compile.arguments = [
      "-c", "\"$(command -v clang || command -v cc)\" -shared -fPIC -O1 -o '\(path)' '\(source)'",
    ]
    guard (try? compile.run()) != nil else { return nil }
    compile.waitUntilExit()
    return compile.terminationStatus == 0 ? path : nil
  #else
    return nil
  #endif
}()

/// One command whose files are looked at.
private struct Scenario {
  let stories: Stories
  let arguments: [String]
  /// Where its files come to lie, in the stories' folder.
  let out: String
  /// Where calls count: by default in all of the stories' folder.
  var watched = ""

  enum Kind: String {
    case fail, kill
  }

  /// Runs the command with its n-th call of one kind struck; nil when it has no n-th one.
  func run(_ call: String, at number: Int, _ kind: Kind, minimum: Int = 0) throws -> CommandResult? {
    let report = stories.folder.path + ".struck"
    defer { try? FileManager.default.removeItem(atPath: report) }
    let result = try CommandResult(
      arguments,
      shell: stories.environment
        + "; export LD_PRELOAD='\(library!)' FAULT_CALL=\(call) FAULT_AT=\(number) FAULT_KIND=\(kind.rawValue) "
        + "SWIFT_BACKTRACE=enable=no "
        + "FAULT_UNDER='\(stories.folder.path)/\(watched)' FAULT_MINIMUM=\(minimum) FAULT_REPORT='\(report)'")
    return FileManager.default.fileExists(atPath: report) ? result : nil
  }

  /// All files of the result, by name.
  var files: [String: Data]? {
    let path = stories.folder.path + "/" + out
    guard let names = try? FileManager.default.subpathsOfDirectory(atPath: path) else { return nil }
    return Dictionary(
      uniqueKeysWithValues: names.map { ($0, FileManager.default.contents(atPath: path + "/" + $0) ?? Data()) })
  }

  func clear() throws {
    for name in [out, out + ".partial"] {
      let path = stories.folder.path + "/" + name
      if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
    }
  }
}

/// Goes through all calls of a kind: afterwards nothing or everything is there, and the same command then succeeds.
private func expectOldOrNew(_ scenario: Scenario, clearing cache: Bool = false) throws {
  func prepare() throws {
    try scenario.clear()
    if cache { try? FileManager.default.removeItem(atPath: scenario.stories.folder.path + "/cache") }
  }
  try prepare()
  #expect(try scenario.stories.run(scenario.arguments).status == 0)
  let whole = try #require(scenario.files)
  for call in ["write", "fsync", "rename", "mkdir", "malloc"] {
    for kind in [Scenario.Kind.fail, .kill] where call != "malloc" || kind == .fail {
      var number = 1
      while true {
        try prepare()
        guard let struck = try scenario.run(call, at: number, kind) else { break }
        let name = "\(scenario.out): \(call) \(number), \(kind)"
        #expect(struck.status != 0 || scenario.files == whole, "\(name)")
        #expect(scenario.files == nil || scenario.files == whole, "\(name): neither the old state nor the new one")
        if kind == .fail, call != "malloc" {
          #expect(struck.status == 1 && struck.error.split(separator: "\n").count == 1, "\(name): \(struck.error)")
        }
        if scenario.files == nil {
          let again = try scenario.stories.run(scenario.arguments)
          #expect(again.status == 0, "\(name), then: \(again.error)")
          #expect(scenario.files == whole, "\(name), then")
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: scenario.stories.folder.path)
        #expect(!left.contains { $0.hasSuffix(".partial") }, "\(name)")
        // Allocations are many: all of the first, then some.
        number += call == "malloc" && number > 20 ? number / 5 : 1
      }
      #expect(number > 1 || call == "malloc", "\(scenario.out): no \(call) was struck")
    }
  }
}

@Test(.enabled(if: library != nil)) func faultsLeaveNoHalfTokens() throws {
  let stories = try Stories()
  try expectOldOrNew(
    Scenario(
      stories: stories,
      arguments: ["tokenize", "--data", stories.data, "--vocab", "330", "--out", stories.folder.path + "/tokens"],
      out: "tokens"), clearing: true)
}

@Test(.enabled(if: library != nil)) func faultsLeaveNoHalfExportsAndImports() throws {
  let stories = try Stories()
  #expect(
    try stories.compare(["--iterations", "1", "--models", "nanogpt", "--layers", "1"], out: "run").status == 0)
  let path = stories.folder.path
  let export = Scenario(
    stories: stories, arguments: ["export", "--model", path + "/run/nanogpt", "--out", path + "/exported"],
    out: "exported")
  try expectOldOrNew(export)
  try export.clear()
  #expect(try stories.run(export.arguments).status == 0)
  try expectOldOrNew(
    Scenario(
      stories: stories, arguments: ["import", "--model", path + "/exported", "--out", path + "/imported"],
      out: "imported"))
}

/// Whatever fails while a checkpoint is written, the run goes on from the one before, with the same bits.
@Test(.enabled(if: library != nil), arguments: ["write", "fsync", "rename", "mkdir", "malloc"])
func faultsLoseNoRun(call: String) throws {
  let stories = try Stories()
  let settings = [
    "--data", stories.data, "--iterations", "4", "--eval-interval", "2", "--eval-iters", "1", "--checkpoint-every", "2",
    "--models", "nanogpt", "--layers", "1",
  ]
  let path = stories.folder.path
  #expect(try stories.run(Stories.small + settings + ["--out", path + "/whole"]).status == 0)
  let whole = try stories.file("whole/nanogpt/model.safetensors")
  let scenario = Scenario(
    stories: stories, arguments: Stories.small + settings + ["--out", path + "/run"], out: "run",
    watched: "run/nanogpt/checkpoints")
  for kind in [Scenario.Kind.fail, .kill] where call != "malloc" || kind == .fail {
    var number = 1
    while true {
      try scenario.clear()
      guard let struck = try scenario.run(call, at: number, kind) else { break }
      let name = "\(call) \(number), \(kind)"
      #expect(struck.status != 0 || call == "malloc", "\(name)")
      let hasBegun = FileManager.default.fileExists(atPath: path + "/run/run.json")
      let rest = try stories.run(
        hasBegun ? ["compare", "--resume", path + "/run", "--quiet"] : scenario.arguments)
      #expect(rest.status == 0, "\(name), then: \(rest.error)")
      #expect(try stories.file("run/nanogpt/model.safetensors") == whole, "\(name)")
      number += call == "malloc" && number > 10 ? number / 4 : 1
    }
    #expect(number > 1, "no \(call) was struck")
  }
}

/// What is written lies where it was: no allocation of the size of a model while a checkpoint is written.
@Test(.enabled(if: library != nil)) func savingTakesNoSecondCopy() throws {
  let stories = try Stories()
  // With tokens that are there already: making them takes buffers.
  #expect(try stories.compare(["--iterations", "1", "--models", "nanogpt"], out: "first").status == 0)
  let scenario = Scenario(
    stories: stories,
    arguments: Stories.small + [
      "--data", stories.data, "--iterations", "2", "--checkpoint-every", "1", "--models", "nanogpt", "--embd", "256",
      "--out", stories.folder.path + "/run",
    ], out: "run")
  #expect(try scenario.run("malloc", at: 1, .fail, minimum: 200_000) == nil)
  let checkpoints = CheckpointFolder(stories.folder.path + "/run/nanogpt/checkpoints")
  let last = try FileManager.default.attributesOfItem(atPath: checkpoints.file(step: 2))
  #expect((last[.size] as? Int ?? 0) > 15_000_000)
}
