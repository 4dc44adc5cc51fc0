import Foundation
import NanoTestSupport
import NanoTraining
import Testing

/// The commands and their options, as the command itself lists them.
private struct Manual: Decodable {
  struct Command: Decodable {
    struct Argument: Decodable {
      struct Name: Decodable {
        var kind, name: String
      }
      var kind: String
      var names: [Name]?
    }
    var commandName: String
    var arguments: [Argument]?
    var subcommands: [Command]?

    var options: [String] {
      (arguments ?? []).filter { $0.kind == "option" }.compactMap { $0.names?.first { $0.kind == "long" }?.name }
    }

    func command(_ path: [String]) throws -> Command {
      guard let first = path.first else { return self }
      return try #require(subcommands?.first { $0.commandName == first }).command(Array(path.dropFirst()))
    }
  }
  var command: Command
}

/// A folder with small models and stories, and a run of every command on them that ends soon.
private final class Workshop {
  let stories: Stories
  private var runs = 0

  init() throws {
    stories = try Stories()
    try Data(String(repeating: "To be, or not to be.\n", count: 100).utf8).write(
      to: URL(fileURLWithPath: stories.folder.path + "/text.txt"))
    let made = try run(["compare"], [])
    #expect(made.status == 0, "\(made.error)")
  }

  static let commands = [
    ["compare"], ["compare", "stories"], ["bench", "step"], ["generate"], ["evaluate"], ["tokenize"],
  ]

  func run(_ command: [String], _ arguments: [String]) throws -> CommandResult {
    runs += 1
    let folder = stories.folder.path
    let (out, text, model) = (["--out", "\(folder)/out\(runs)"], "\(folder)/text.txt", "\(folder)/out1/nanogpt")
    let sizes = ["--embd", "16", "--layers", "1", "--heads", "2", "--context", "8", "--batch", "2"]
    let length = ["--iterations", "2", "--eval-interval", "1", "--eval-iters", "1", "--quiet"]
    let study = ["--preset", "stories", "--size", "0.3M", "--vocab", "350"]
    let base =
      switch command {
      case ["compare"]: ["compare", "--models", "nanogpt", "--data", text] + sizes + length + out
      case ["compare", "stories"]:
        ["compare", "--models", "nanokimik2", "--data", stories.data] + study + sizes + length + out
      case ["bench", "step"]: ["bench", "step", "--model", "nanokimi", "--steps", "1"] + sizes
      case ["generate"]: ["generate", "--model", model, "--tokens", "3"]
      case ["evaluate"]: ["evaluate", "--model", model, "--data", text]
      default: ["tokenize", "--data", stories.data, "--vocab", "350", "--quiet"] + out
      }
    return try CommandResult(base + arguments, shell: stories.environment + "; ulimit -t 100")
  }
}

/// Every option that takes a number, with numbers that are none or senseless: a clear error, or a right result.
@Test(arguments: Workshop.commands) func numbersCanBeAnything(command: [String]) throws {
  let workshop = try Workshop()
  let manual = try JSONDecoder().decode(
    Manual.self, from: Data(CommandResult(["--experimental-dump-help"]).output.utf8))
  var count = 0
  for option in try manual.command.command(command.filter { $0 != "stories" }).options {
    let word = try workshop.run(command, ["--\(option)", "x"])
    guard word.error.contains("The value 'x' is invalid") || option == "memory-limit" else { continue }
    count += 1
    for value in ["-1", "0", "2147483648", "9223372036854775807", "nan", "inf", ""] {
      let result = try workshop.run(command, ["--\(option)", value])
      let name = "\(command) --\(option) '\(value)': \(result.status), \(result.error)"
      #expect([0, 1, 64].contains(result.status), "\(name)")
      if result.status != 0 {
        #expect(
          result.error.hasPrefix("bench-cli: error: ") && result.error.split(separator: "\n").count == 1, "\(name)")
      } else {
        #expect(Double(value).map { $0.isFinite && $0 >= 0 } == true, "\(name)")
      }
    }
  }
  #expect(count > 0)
}
