import ArgumentParser
import Foundation
import NanoExperiments
import NanoTensor

/// The command `bench-cli`: trains the study's models, compares them, measures them, and writes text with
/// them. Everything it does is in the libraries; here arguments are parsed and results printed.
struct BenchCLI: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-cli",
    abstract: "Train, measure and compare small language models.",
    discussion: CommandConfiguration.examples(
      "data shakespeare", "compare --iterations 1000", "generate --prompt 'ROMEO:' --temperature 0.8",
      note: "Without a command: compare."),
    version: Versions.current.nanoKimi,
    subcommands: [
      CompareCommand.self, TrainCommand.self, AblateCommand.self, StudyCommand.self, StudyRunCommand.self,
      RunCommand.self, RaceCommand.self, GenerateCommand.self, EvaluateCommand.self, TokenizeCommand.self,
      PruneCommand.self, ExportCommand.self, ImportCommand.self, ServeCommand.self, DataCommand.self, BenchCommand.self,
      PresetsCommand.self,
    ],
    defaultSubcommand: CompareCommand.self)

  /// Throws for a word in the place of a command that is none.
  static func requireCommands(in arguments: [String]) throws {
    var command: any ParsableCommand.Type = BenchCLI.self
    var path = "bench-cli"
    for word in arguments {
      if command == CompareCommand.self || command == TrainCommand.self, !word.hasPrefix("-") {
        throw ValidationError("\(path) has no use for '\(word)'; a text is named with --data")
      }
      let known = command.configuration.subcommands
      guard !known.isEmpty, !word.hasPrefix("-"), word != "help" else { return }
      let next = known.first {
        $0.configuration.commandName == word || $0.configuration.aliases.contains(word)
      }
      guard let next else {
        let names = known.filter { $0.configuration.shouldDisplay }
          .compactMap { $0.configuration.commandName }.joined(separator: ", ")
        throw ValidationError("\(path) has no command '\(word)'; its commands: \(names)")
      }
      command = next
      path += " " + word
    }
  }
}

@main
enum Main {
  /// Bytes that the command holds before its first step; it takes them faster than ``MemoryGuard`` looks.
  private static let leastMemory = 24_000_000

  /// Ends the process before the container's limit does.
  private static func endAtLimit(_ limit: Int) -> Never {
    Terminal.writeError(
      String(
        format: "bench-cli: error: out of memory: more than the %.1f MB that the container may use is needed, beside "
          + "%.1f MB of tensors; a smaller text, --batch, --context or model needs less",
        Double(limit) / 1e6, Double(MemoryPool.shared.statistics.currentBytes) / 1e6))
    _exit(1)
  }

  static func main() {
    ProcessSettings.apply()
    MemoryPool.shared.refusalHandler = { bytes in
      let held = MemoryPool.shared.statistics.currentBytes
      Terminal.writeError(
        String(
          format: "bench-cli: error: out of memory: the system refused %.1f MB beside the %.1f MB of tensors "
            + "held; a smaller --batch, --context or model needs less",
          Double(bytes) / 1e6, Double(held) / 1e6))
      Ranks.abort()
    }
    MemoryGuard.watch(endAtLimit)
    if let limit = ControlGroups().memoryGroups.map(\.limit).min(), limit < leastMemory { endAtLimit(limit) }
    do {
      try EnvironmentVariables.validate()
      try Ranks.join()
      try BenchCLI.requireCommands(in: Array(CommandLine.arguments.dropFirst()))
      let arguments = try SettingsFile.expand(Array(CommandLine.arguments.dropFirst()))
      var command = try BenchCLI.parseAsRoot(arguments)
      try command.run()
      try Terminal.finishOutput()
    } catch let exit as ExitCode {
      Foundation.exit(exit.rawValue)
    } catch {
      report(RunError(naming: error) ?? error)
    }
  }

  /// Help goes to stdout; an error is one line on stderr.
  private static func report(_ error: any Error) -> Never {
    let code = BenchCLI.exitCode(for: error)
    if code == .success {
      print(BenchCLI.fullMessage(for: error))
      exit(0)
    }
    let message = BenchCLI.message(for: error).split(separator: "\n").joined(separator: " ")
    Terminal.writeError("bench-cli: error: \(message)")
    let isOfUsage = code == .validationFailure || (error as? RunError)?.isOfUsage ?? false
    exit(isOfUsage ? ExitCode.validationFailure.rawValue : 1)
  }
}
