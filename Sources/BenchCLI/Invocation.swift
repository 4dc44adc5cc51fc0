import NanoReport

/// The command that is being carried out, as a shell takes it.
enum Invocation {
  static var text: String {
    (["bench-cli"] + CommandLine.arguments.dropFirst().map(\.shellWord)).joined(separator: " ")
  }
}
