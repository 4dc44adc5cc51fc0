import ArgumentParser
import NanoData
import NanoModels
import NanoTraining

/// `bench-cli export`: a trained model for other programs.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a stories model as a checkpoint of transformers.",
    discussion: CommandConfiguration.examples(
      "export --out exported", "export --model runs/latest/nanokimik2 --out exported-kimi"))

  @OptionGroup var model: ModelOption

  @Option("The format: \(list(ModelFormat.self))", "name")
  var format = ModelFormat.huggingface.rawValue

  @Option(help: ArgumentHelp("The folder to write.", valueName: "folder"))
  var out: String

  func run() throws {
    let _: ModelFormat = try choose(format, for: "format")
    try OutputFolder.check(out)
    let contents = try ModelFolder.load(model.folder)
    var files: [String] = []
    try OutputFolder.create([out]) { files = try HuggingFaceFolder.export(contents, to: $0) }
    print("\(out): \(files.joined(separator: ", "))")
  }
}

/// `bench-cli import`: a checkpoint of another program as a model folder.
struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Read a transformers checkpoint (DeepseekV3ForCausalLM, GPT2LMHeadModel).",
    discussion: CommandConfiguration.examples(
      "import --model exported --out imported", "import --model exported --format huggingface --out imported-again"))

  @Option(help: ArgumentHelp("The checkpoint's folder.", valueName: "folder"))
  var model: String

  @Option("The format: \(list(ModelFormat.self))", "name")
  var format = ModelFormat.huggingface.rawValue

  @Option(help: ArgumentHelp("The model folder to write.", valueName: "folder"))
  var out: String

  func run() throws {
    let _: ModelFormat = try choose(format, for: "format")
    try OutputFolder.check(out)
    let imported = try HuggingFaceFolder.load(model)
    try OutputFolder.create([out]) { try ModelFolder.save(imported.contents, to: $0) }
    let tokenizer = imported.contents.tokenizer is ByteLevelTokenizer ? "tokenizer.json" : "tokenizer.model"
    print("\(out): config.json, model.safetensors, \(tokenizer)")
    for note in imported.notes { print("note: \(note)") }
  }
}

/// Formats of other programs.
enum ModelFormat: String, CaseIterable {
  case huggingface
}
