import ArgumentParser
import Foundation
import NanoData
import NanoTensor
import NanoTraining

/// `bench-cli tokenize`: a tokenizer and token files from stories.
struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize",
    abstract: "Train a tokenizer on stories, or take one, and write token files.",
    discussion: CommandConfiguration.examples(
      "tokenize --data data/tinystories --out tokens",
      "tokenize --data stories.jsonl --vocab 1000 --out more-tokens"))

  @Option(help: ArgumentHelp("A file or folder of TinyStories, JSON Lines or text.", valueName: "path"))
  var data: String

  @Option("Stories to validate on", "path", default: "the folder's own, else one story in ten")
  var valid: String?

  @Option("A SentencePiece model", "file", default: "one is trained on the training stories")
  var tokenizer: String?

  @Option("Pieces of the tokenizer that is trained, from 300 to 1000000", "count", default: "4096")
  var vocab: Int?

  @Option(
    help: ArgumentHelp("The folder for tokenizer.model, training.tokens and validation.tokens.", valueName: "folder"))
  var out: String

  @Flag(help: "Print no progress.")
  var quiet = false

  func validate() throws {
    guard (300...1_000_000).contains(vocab ?? 300) else {
      throw ValidationError("vocab is \(vocab!); it must be from 300 to 1000000")
    }
    guard tokenizer == nil || vocab == nil else {
      throw ValidationError("--vocab has no effect beside --tokenizer, which has its pieces; leave it out")
    }
  }

  func run() throws {
    try OutputFolder.check(out)
    let isQuiet = quiet || !Terminal.redraws
    let source = try StorySource(data, validation: valid)
    let preparation = StoryPreparation(source, threadCount: WorkerPool.shared.threadCount) { stage, share in
      if !isQuiet { Terminal.show(stage, share) }
    }
    let model = try preparation.tokenizer(model: tokenizer, vocabularySize: vocab ?? 4096)
    let watch = Stopwatch()
    var lines = ["\(source.name): \(source.form)"]
    try OutputFolder.create([out]) { folder in
      try AtomicFile.write(model.model, to: folder + "/tokenizer.model")
      for split in Split.allCases {
        let path = "\(folder)/\(split.rawValue).tokens"
        try preparation.writeTokens(of: split, tokenizer: model, to: path)
        let header = try TokenFile(path, tokenizer: model).header
        lines.append(
          "\(split.rawValue): \(header.storyCount) stories, \(header.characterCount) characters, "
            + "\(header.tokenCount) tokens of \(8 * header.bytesPerToken) bits")
      }
    }
    if !isQuiet { Terminal.rewriteLine("") }
    for line in lines { print(line) }
    if !quiet { Terminal.writeError(String(format: "%.1f s", watch.seconds)) }
  }
}
