import ArgumentParser

/// `bench-cli bench`: how fast it is.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure training steps, forwards and single operations.",
    discussion: CommandConfiguration.examples("bench step --model nanokimi", "bench ops --only 'layer norm'"),
    subcommands: [BenchStepCommand.self, BenchDeviceCommand.self, BenchOpsCommand.self],
    defaultSubcommand: BenchStepCommand.self)
}
