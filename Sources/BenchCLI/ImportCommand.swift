import ArgumentParser
import NanoData
import NanoTraining

/// `bench-cli import`: a model of another program as a model folder.
struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Read a transformers checkpoint (DeepseekV3ForCausalLM, GPT2LMHeadModel) or an exported GGUF file.",
    discussion: CommandConfiguration.examples(
      "import --model exported --out imported",
      "import --model exported-gguf/model-f32.gguf --out imported-again"))

  @Option(help: ArgumentHelp("The checkpoint's folder, or the GGUF file.", valueName: "path"))
  var model: String

  @Option("The format: \(list(ModelFormat.self))", "name", default: "gguf of a file with that ending, else huggingface")
  var format: String?

  @Option(help: ArgumentHelp("The model folder to write.", valueName: "folder"))
  var out: String

  func run() throws {
    let format: ModelFormat = try choose(format, for: "format") ?? (model.hasSuffix(".gguf") ? .gguf : .huggingface)
    try OutputFolder.check(out)
    let contents: ModelFolder.Contents
    var notes: [String] = []
    switch format {
    case .huggingface:
      let imported = try HuggingFaceFolder.load(model)
      (contents, notes) = (imported.contents, imported.notes)
    case .gguf: contents = try GGUFModel.load(model)
    }
    try OutputFolder.create([out]) { try ModelFolder.save(contents, to: $0) }
    let tokenizer = contents.tokenizer is ByteLevelTokenizer ? "tokenizer.json" : "tokenizer.model"
    print("\(out): config.json, model.safetensors, \(tokenizer)")
    for note in notes { print("note: \(note)") }
  }
}
