import Foundation
import NanoTestSupport
import Testing

/// The commands, as the command itself lists them.
private struct Manual: Decodable {
  struct Command: Decodable {
    var commandName: String
    var shouldDisplay: Bool?
    var subcommands: [Command]?

    /// All below it, by the words that name them.
    func paths(_ path: [String] = []) -> [[String]] {
      (subcommands ?? []).filter { $0.commandName != "help" && $0.shouldDisplay ?? true }.flatMap {
        [path + [$0.commandName]] + $0.paths(path + [$0.commandName])
      }
    }
  }
  var command: Command
}

@Test func everyHelpHasExamplesAndNamesItsValues() throws {
  let manual = try JSONDecoder().decode(
    Manual.self, from: Data(CommandResult(["--experimental-dump-help"]).output.utf8))
  let paths = [[]] + manual.command.paths()
  #expect(paths.count > 12)
  for path in paths {
    let help = try CommandResult(path + ["--help"]).output
    let name = path.joined(separator: " ")
    let examples = help.split(separator: "\n").count { $0.hasPrefix("  bench-cli \(name)") }
    #expect(examples >= 2, "\(name): \(help)")
    // A placeholder that repeats its flag says nothing.
    #expect(try help.firstMatch(of: Regex(#"--([a-z-]+) <\1>"#)) == nil, "\(name)")
  }
}

@Test func unknownCommandsAreAnsweredWithTheKnown() throws {
  for (arguments, parts) in [
    (["trian"], ["no command 'trian'", "compare, train, ablate"]), (["bench", "stop"], ["bench-cli bench", "step"]),
    (["data", "shakspere"], ["shakespeare, tinystories"]),
    (["train", "poems.txt"], ["no use for 'poems.txt'", "a text is named with --data"]),
  ] {
    let result = try CommandResult(arguments)
    #expect(result.status == 64 && parts.allSatisfy(result.error.contains), "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1)
  }
}

/// Whatever notices it.
@Test func wrongCommandLinesEndWith64() throws {
  let folder = try TemporaryFolder()
  let config = folder.path + "/odd.json"
  try Data(#"{"epochs": 3}"#.utf8).write(to: URL(fileURLWithPath: config))
  let out = ["--iterations", "1", "--out", folder.path + "/run"]
  for arguments in [
    ["compare", "--batch", "0"] + out, ["compare", "--embd", "63"] + out, ["compare", "--lr", "nan"] + out,
    ["compare", "--precision", "fp8"] + out, ["compare", "--config", config] + out, ["compare", "--models", ""] + out,
    ["compare", "--models", ",", "--embd", "16"] + out,
    ["compare", "--arm", "a: model=nanogpt kv-rank=8"] + out, ["train", "--model", "gpt5"] + out,
    ["compare", "--preset", "stories", "--size", "5M"] + out, ["generate", "--top-k", "3", "--temperature", "0"],
    ["generate", "--samples", "0"], ["evaluate", "--data", "a", "--data-seed", "1"], ["bench", "ops", "--only", "zzz"],
    ["bench", "step", "--steps", "1", "--profile", "--device", "cpu"], ["tokenize", "--vocab", "5"],
  ] {
    let result = try CommandResult(arguments)
    #expect(result.status == 64, "\(arguments): \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(arguments): \(result.error)")
  }
}

@Test func defaultsOfPresetsAreWrittenDown() throws {
  let page = URL(fileURLWithPath: Fixture.folder).appending(path: "../../Docs/Presets.md").standardized
  let written = try String(contentsOf: page, encoding: .utf8)
  #expect(try CommandResult(["presets"]).output == written, "bench-cli presets > Docs/Presets.md")
}
