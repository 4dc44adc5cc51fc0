import ArgumentParser

/// `bench-cli bench`: how fast it is.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure training steps, forwards, generation, single operations and tokenizing.",
    discussion: CommandConfiguration.examples("bench step --model nanokimi", "bench ops --only 'layer norm'"),
    subcommands: [
      BenchStepCommand.self, BenchGenerateCommand.self, BenchDeviceCommand.self, BenchOpsCommand.self,
      BenchTokenizeCommand.self,
    ],
    defaultSubcommand: BenchStepCommand.self)
}
