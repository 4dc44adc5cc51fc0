import ArgumentParser
import NanoExperiments

/// `bench-cli compare`: a study, end to end.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Train models on a text and compare them.",
    discussion: CommandConfiguration.examples(
      "compare --iterations 1000 --seeds 1337,1,2",
      "compare --preset stories --size 0.3M --iterations 300",
      "compare --arm 'a: model=nanogpt lr=0.004' --arm 'b: model=nanokimi'",
      "compare --resume runs/latest --iterations 20000"))

  @OptionGroup(title: "Study") var preset: PresetOptions
  @OptionGroup(title: "Study") var study: StudyOptions
  @OptionGroup(title: "Study") var comparison: ComparisonOptions
  @OptionGroup var options: RunOptions

  func run() throws {
    try options.run(
      StudyBuilder(
        preset: preset.preset, models: study.models, arms: study.arms.map(ArmText.init),
        flags: comparison.givenFlags + options.flags),
      command: "compare")
  }
}

/// `bench-cli train`: the same of one model.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train one model on a text.",
    discussion: CommandConfiguration.examples(
      "train --model nanokimi --iterations 1000", "train --model nanogpt --optimizer muon --lr 0.004 --embd 128",
      "train --preset stories --model nanokimik2 --iterations 300", "train --preset best"))

  @OptionGroup(title: "Model") var preset: PresetOptions

  @OptionGroup(title: "Model") var model: OneModelOption
  @OptionGroup var options: RunOptions

  func run() throws {
    try options.run(
      StudyBuilder(
        preset: preset.preset, models: model.name(of: preset, isFresh: options.isFresh), flags: options.flags),
      command: "train")
  }
}

/// Which model, where there is one.
struct OneModelOption: ParsableArguments {
  @Option("The model: \(list(ModelName.self))", "name", default: "the preset's first: nanogpt, of best nanobest")
  var model: String?

  /// What is named, else the first model of the preset.
  /// - Parameter isFresh: false where a folder decides which model it is.
  func name(of options: PresetOptions, isFresh: Bool = true) throws -> String? {
    guard model == nil, isFresh else { return model }
    let preset: Preset = try choose(options.preset, for: "preset") ?? .publishedCharacters
    return preset.models[0].rawValue
  }
}
