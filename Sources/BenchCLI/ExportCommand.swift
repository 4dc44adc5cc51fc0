import ArgumentParser
import NanoData
import NanoModels
import NanoTraining

/// `bench-cli export`: a trained model for other programs.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a stories model as a checkpoint of transformers.")

  @Option(help: "A model folder, such as runs/<time>-compare/nanokimik2.")
  var model: String

  @Option(help: "The format: huggingface.")
  var format = ModelFormat.huggingface.rawValue

  @Option(help: "The folder to write.")
  var out: String

  func run() throws {
    let _: ModelFormat = try choose(format, for: "format")
    try OutputFolder.check(out)
    let contents = try ModelFolder.load(model)
    var files: [String] = []
    try OutputFolder.create([out]) { files = try HuggingFaceFolder.export(contents, to: $0) }
    print("\(out): \(files.joined(separator: ", "))")
  }
}

/// `bench-cli import`: a checkpoint of another program as a model folder.
struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Read a transformers checkpoint (DeepseekV3ForCausalLM, GPT2LMHeadModel).")

  @Option(help: "The checkpoint's folder.")
  var model: String

  @Option(help: "The format: huggingface.")
  var format = ModelFormat.huggingface.rawValue

  @Option(help: "The model folder to write.")
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
