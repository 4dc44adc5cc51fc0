import ArgumentParser
import Foundation
import NanoData
import NanoTraining

/// `bench-cli tokenize`: a tokenizer and token files from stories.
struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize",
    abstract: "Train a tokenizer on stories, or take one, and write token files.")

  @Option(help: "A file or folder of TinyStories, JSON Lines or text.")
  var data: String

  @Option(help: "Stories to validate on; by default the folder's own, else one story in ten.")
  var valid: String?

  @Option(help: "A SentencePiece model; by default one is trained on the training stories.")
  var tokenizer: String?

  @Option(parsing: .unconditional, help: "Pieces of the tokenizer that is trained.")
  var vocab = 4096

  @Option(help: "The folder for tokenizer.model, training.tokens and validation.tokens.")
  var out: String

  @Flag(help: "Print no progress.")
  var quiet = false

  func validate() throws {
    guard (300...1_000_000).contains(vocab) else {
      throw ValidationError("vocab is \(vocab); it must be from 300 to 1000000")
    }
  }

  func run() throws {
    try OutputFolder.check(out)
    let isQuiet = quiet || !Terminal.isInteractive
    let source = try StorySource(data, validation: valid)
    let preparation = StoryPreparation(source) { stage, share in
      if !isQuiet { Terminal.show(stage, share) }
    }
    let model = try preparation.tokenizer(model: tokenizer, vocabularySize: vocab)
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
