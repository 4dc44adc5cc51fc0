import ArgumentParser

extension Option {
  /// A setting that can be left out. Numbers are read where they are negative too, so that their range can be told.
  /// - Parameters:
  ///   - help: what it is.
  ///   - placeholder: what the value is, as `steps` in `--iterations <steps>`.
  ///   - standard: what holds where it is left out, for the help.
  init<Wrapped: ExpressibleByArgument>(_ help: String, _ placeholder: String, default standard: String? = nil)
  where Value == Wrapped? {
    self.init(
      parsing: Wrapped.self is any Numeric.Type ? .unconditional : .next,
      help: ArgumentHelp(standard.map { "\(help) (default: \($0))." } ?? help + ".", valueName: placeholder))
  }
}

extension Option where Value: ExpressibleByArgument {
  /// The same with a value of its own where it is left out, which the help tells by itself.
  init(wrappedValue: Value, _ help: String, _ placeholder: String) {
    self.init(
      wrappedValue: wrappedValue, parsing: Value.self is any Numeric.Type ? .unconditional : .next,
      help: ArgumentHelp(help + ".", valueName: placeholder))
  }
}

extension CommandConfiguration {
  /// A help's last lines: command lines that can be copied.
  static func examples(_ lines: String..., note: String? = nil) -> String {
    (note.map { $0 + "\n\n" } ?? "") + "EXAMPLES:\n" + lines.map { "  bench-cli \($0)" }.joined(separator: "\n")
  }
}
