import ArgumentParser

/// `bench-cli presets`: what every preset sets.
struct PresetsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "presets", abstract: "Print what every preset sets, as tables in Markdown.",
    discussion: CommandConfiguration.examples("presets", "presets > Docs/Presets.md"))

  func run() throws { print(try PresetTables().markdown, terminator: "") }
}
