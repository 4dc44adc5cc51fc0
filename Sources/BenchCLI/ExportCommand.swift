import ArgumentParser
import Foundation
import NanoData
import NanoModels
import NanoReport
import NanoTraining

/// `bench-cli export`: a trained model for other programs.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a stories model for other programs: transformers, llama.cpp, ollama.",
    discussion: CommandConfiguration.examples(
      "export --out exported", "export --format gguf --out exported-gguf",
      "export --format gguf --type q8_0 --out exported-small"))

  @OptionGroup var model: ModelOption

  @Option("The format: \(list(ModelFormat.self))", "name")
  var format = ModelFormat.huggingface.rawValue

  @Option("How a GGUF file holds numbers: \(list(GGUFTensorType.self))", "name", default: "f32")
  var type: String?

  @Flag(help: "Write a head that is the token embedding out too, for programs that know no tied heads (mlx-lm).")
  var untied = false

  @Option(help: ArgumentHelp("The folder to write.", valueName: "folder"))
  var out: String

  func run() throws {
    let format: ModelFormat = try choose(format, for: "format")
    let type: GGUFTensorType? = try choose(type, for: "type")
    guard type == nil || format == .gguf else { throw ValidationError("--type is of --format gguf alone") }
    guard !untied || format == .huggingface else { throw ValidationError("--untied is of --format huggingface alone") }
    try OutputFolder.check(out)
    let folder = try model.folder
    let contents = try ModelFolder.load(folder)
    let card = ModelCard(of: contents, from: folder)
    var files: [String] = []
    try OutputFolder.create([out]) { folder in
      switch format {
      case .huggingface:
        files = try HuggingFaceFolder.export(contents, to: folder, untied: untied)
        try AtomicFile.write(Data(card.text.utf8), to: folder + "/README.md")
        files.append("README.md")
      case .gguf: files = try GGUFModel.export(contents, as: type ?? .f32, to: folder)
      }
    }
    print("\(out): \(files.joined(separator: ", "))")
    print("Try it:")
    for line in format.usage(of: out, files: files) { print("  " + line) }
  }
}

/// Formats of other programs.
enum ModelFormat: String, CaseIterable {
  case huggingface, gguf

  /// Command lines that let an exported model write.
  func usage(of folder: String, files: [String]) -> [String] {
    let prompt = "'Once upon a time'"
    switch self {
    case .huggingface:
      let code =
        "import sys, transformers as t; "
        + "print(t.pipeline('text-generation', sys.argv[1])(sys.argv[2], max_new_tokens=100)[0]['generated_text'])"
      return ["python3 -c \"\(code)\" \(folder.shellWord) \(prompt)"]
    case .gguf:
      return [
        "llama-completion -m \("\(folder)/\(files[0])".shellWord) -no-cnv -n 100 -p \(prompt)",
        "ollama create nano-kimi -f \((folder + "/Modelfile").shellWord) && ollama run nano-kimi \(prompt)",
      ]
    }
  }
}
