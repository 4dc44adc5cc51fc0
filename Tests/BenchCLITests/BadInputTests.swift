import Foundation
import NanoTestSupport
import Testing

/// Every bad input: one line on stderr that names it, a status that is not 0, and no run folder.
@Test func badInputIsRefusedInOneLine() throws {
  let folder = try TemporaryFolder()
  func file(_ name: String, _ data: Data) throws -> String {
    try data.write(to: URL(fileURLWithPath: folder.path + "/" + name))
    return folder.path + "/" + name
  }
  let out = folder.path + "/out"
  let cases: [(arguments: [String], part: String)] = [
    (["--data", folder.path + "/none.txt"], "no such file"),
    (["--data", folder.path], "is a directory"),
    (
      ["--data", "/proc/self/mem"],
      FileManager.default.fileExists(atPath: "/proc/self/mem") ? "cannot be read" : "no such file"
    ),
    (["--data", try file("empty.txt", Data())], "empty"),
    (["--data", try file("latin.txt", Data([0x61, 0xE9, 0x62]))], "offset 1"),
    (
      ["--data", try file("short.txt", Data("too short".utf8))],
      "short.txt: has 8 tokens for training; a context of 32 needs 33"
    ),
    (["--embd", "63"], "the same width (--embd, --heads)"), (["--embd", "0"], "width is 0"),
    (["--embd", "-4"], "width is '-4'"), (["--batch", "0"], "batch is 0"),
    (["--layers", "100000000"], "layers is"), (["--context", "9999999"], "context is"),
    (["--iterations", "-1"], "iterations is -1"), (["--lr", "nan"], "lr is nan"),
    (["--lr", "0"], "lr is 0"), (["--shards", "0"], "shards is 0"),
    (["--iterations", "ten"], "ten"), (["--preset", "nope"], "unknown preset 'nope'"),
    (["--precision", "fp8"], "unknown precision 'fp8'"),
    (["--models", "nanogpt,gpt5"], "unknown model 'gpt5'"), (["--models", ""], "models"),
    (["--frobnicate"], "frobnicate"), (["--config", folder.path + "/none.json"], "no such file"),
    (["--config", try file("bad.json", Data("{".utf8))], "not a JSON object"),
    (["--config", try file("odd.json", Data(#"{"epochs": 3}"#.utf8))], "odd.json: Unknown option"),
    (["--config", try file("type.json", Data(#"{"batch": "many"}"#.utf8))], "'--batch"),
    (["--config", try file("null.json", Data(#"{"seed": null}"#.utf8))], "null at 'seed'"),
    (["--config"], "Missing value for '--config"),
  ]
  for (arguments, part) in cases {
    let result = try CommandResult(["compare", "--out", out] + arguments)
    #expect(result.status != 0, "\(arguments)")
    #expect(result.error.contains(part), "\(arguments): \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(arguments): \(result.error)")
    #expect(!FileManager.default.fileExists(atPath: out), "\(arguments)")
  }
  for arguments in [
    ["compare", "--out", folder.path], ["compare", "--out", folder.path + "/empty.txt"],
    ["generate", "--model", folder.path], ["generate", "--model", "/none", "--tokens", "0"],
    ["bench", "step", "--model", "nope"], ["bench", "step", "--steps", "0"],
  ] {
    let result = try CommandResult(arguments)
    #expect(
      result.status != 0 && result.error.split(separator: "\n").count == 1,
      "\(arguments): \(result.error)")
  }
}

@Test(arguments: ["NANO_THREADS=two", "NANO_THREADS=0", "NANO_INSTRUCTION_SET=avx1024"])
func settingsOfTheEnvironmentAreChecked(setting: String) throws {
  let name = try #require(setting.split(separator: "=").first)
  let result = try CommandResult(["bench", "step"], shell: "export \(setting)")
  #expect(result.status == 1 && result.error.contains("\(name) is '"), "\(result.error)")
  #expect(result.error.split(separator: "\n").count == 1)
}

/// Nobody, root included, makes a folder in /proc.
@Test(.enabled(if: FileManager.default.fileExists(atPath: "/proc/self")))
func unwritableFoldersAreRefused() throws {
  let folder = try TemporaryFolder()
  for study in [
    [], ["--preset", "stories", "--size", "0.3M", "--vocab", "400", "--context", "16"],
  ] {
    let result = try CommandResult(
      ["compare", "--out", "/proc/nano-kimi", "--iterations", "1", "--quiet"] + study,
      shell: "export NANO_KIMI_CACHE='\(folder.path)/cache'")
    #expect(result.status == 1 && result.error.contains("cannot be"), "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1)
  }
}

/// Whether `ulimit -v` holds: Darwin knows the limit and does not keep it.
var limitsAddressSpace: Bool {
  #if os(Linux)
    true
  #else
    false
  #endif
}

@Test(.enabled(if: limitsAddressSpace)) func refusedMemoryIsAnsweredWithCharactersToo() throws {
  let folder = try TemporaryFolder()
  let result = try CommandResult(
    [
      "compare", "--out", folder.path + "/run", "--iterations", "1", "--batch", "1024", "--eval-iters", "1", "--models",
      "nanokimi", "--quiet",
    ], shell: "ulimit -v 300000")
  #expect(result.status == 0 && result.error.contains("micro-batches"), "\(result.error)")
}
