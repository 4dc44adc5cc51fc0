import ArgumentParser
import Foundation
import NanoAutograd
import NanoData
import NanoModels
import NanoTensor
import NanoTraining

/// `bench-cli generate`: text from a trained model.
struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Continue a prompt with a trained model.",
    discussion: CommandConfiguration.examples(
      "generate --prompt 'ROMEO:' --temperature 0.8", "generate --model runs/latest/nanogpt --samples 3 --tokens 200",
      "generate --interactive"),
    aliases: ["sample"])

  @OptionGroup(title: "Model") var model: ModelOption

  @Option(
    "The text to continue", "text", default: "the start of a story, or a line break, or a character that the model has")
  var prompt: String?

  @Option("A file whose text, as it stands, is continued", "file")
  var promptFile: String?

  @Flag(help: "Read prompts from standard input, one a line, until it ends.")
  var interactive = false

  @Option("Texts to write after a prompt, each with the next seed", "count")
  var samples = 1

  @Option("Tokens to write at most", "count")
  var tokens = 500

  @Option("Below 1 more conservative, above 1 wilder, 0 always the most likely", "number")
  var temperature: Float = 1

  @Option("Draw from so many of the most likely tokens only", "count")
  var topK: Int?

  @Option("Draw from the most likely tokens that sum to this only, above 0 and at most 1", "share")
  var topP: Float?

  @Option("Draw from tokens at least this share as likely as the most likely only, above 0 and at most 1", "share")
  var minP: Float?

  @Option("Above 1, tokens that occurred become less likely", "number")
  var repetitionPenalty: Float = 1

  @Option("What the drawing comes from", "number", default: "1337")
  var seed: UInt64?

  @OptionGroup(title: "Device") var deviceOption: DeviceOption

  func validate() throws {
    guard (1...10_000_000).contains(tokens) else {
      throw ValidationError("tokens is \(tokens); it must be from 1 to 10000000")
    }
    guard (1...100_000).contains(samples) else {
      throw ValidationError("samples is \(samples); it must be from 1 to 100000")
    }
    guard temperature >= 0, temperature.isFinite else {
      throw ValidationError("temperature is \(temperature); it must be 0 or more")
    }
    guard topK ?? 1 >= 1 else { throw ValidationError("top-k is \(topK!); it must be at least 1") }
    for (name, value) in [("top-p", topP), ("min-p", minP)] {
      guard value.map({ $0 > 0 && $0 <= 1 }) ?? true else {
        throw ValidationError("\(name) is \(value!); it must be above 0 and at most 1")
      }
    }
    guard repetitionPenalty > 0, repetitionPenalty.isFinite else {
      throw ValidationError("repetition-penalty is \(repetitionPenalty); it must be positive")
    }
    guard prompt != "" else {
      throw ValidationError("the prompt is empty; give at least one character, or no --prompt")
    }
    guard [interactive, prompt != nil, promptFile != nil].count(where: { $0 }) <= 1 else {
      throw ValidationError("give one of --prompt, --prompt-file and --interactive")
    }
    guard temperature == 0 else { return }
    let drawing = [
      ("top-k", topK != nil), ("top-p", topP != nil), ("min-p", minP != nil), ("seed", seed != nil),
      ("samples", samples > 1),
    ]
    if let (name, _) = drawing.first(where: \.1) {
      throw ValidationError("--\(name) has no effect at temperature 0, where nothing is drawn; leave one of them out")
    }
  }

  func run() throws {
    let text = try promptFile.map { try TextFile.read($0) } ?? prompt
    let contents = try ModelFolder.load(model.folder)
    let device = try deviceOption.resolved(model: contents.model.configuration as? DecoderConfiguration)
    let placed = contents.model.on(device)
    guard interactive else {
      try writeSamples(after: text, contents, placed)
      return
    }
    if Terminal.isInteractive { Terminal.writeError("A prompt a line; Ctrl-D ends.") }
    while let line = promptedLine() {
      if line.isEmpty { continue }
      do {
        try writeSamples(after: line, contents, placed)
      } catch let error as TokenizerError {
        Terminal.writeError("bench-cli: error: \(error)")
      }
    }
    if Terminal.isInteractive { Terminal.writeError("") }
  }

  private func promptedLine() -> String? {
    if Terminal.isInteractive { Terminal.writeAside("> ") }
    return readLine()
  }

  private func writeSamples(
    after prompt: String?, _ contents: ModelFolder.Contents, _ model: any LanguageModel
  ) throws {
    for index in 0..<samples {
      let seed = (seed ?? 1337) &+ UInt64(index)
      if samples > 1 { try Terminal.write((index == 0 ? "" : "\n") + "--- seed \(seed) ---\n") }
      try write(after: prompt, contents, model, seed: seed)
    }
  }

  /// Streams the prompt and what follows it from the model, which lies where it computes; then the speed.
  private func write(
    after prompt: String?, _ contents: ModelFolder.Contents, _ model: any LanguageModel, seed: UInt64
  ) throws {
    let tokenizer = contents.tokenizer
    // A story begins where another one ended (an imported model's as its tokenizer says); a text of characters, after a
    // line break, if it has any.
    let end = tokenizer.endOfText
    let prompt = prompt ?? (end != nil ? "" : (try? tokenizer.encode("\n")) != nil ? "\n" : tokenizer.decode([0]))
    let start = contents.textStart ?? end.map { [$0] } ?? []
    var promptTokens = start + (try tokenizer.encode(prompt))
    if promptTokens.isEmpty, let end { promptTokens = [end] }
    var generator = TextGenerator(
      Sampler(
        temperature: temperature, topK: topK, topP: topP, minP: minP,
        repetitionPenalty: repetitionPenalty), tokenCount: tokenizer.vocabularySize,
      generator: RandomGenerator(seed: seed))
    // A window of characters is short, and slides as in the published study.
    generator.usesCache = !(tokenizer is CharacterTokenizer)
    try Terminal.write(prompt)
    var stream = DecodedStream(tokenizer)
    let watch = Stopwatch()
    let made = try generator.generate(
      tokens, after: promptTokens, endingAt: end, from: model
    ) { token in
      try model.device.check()
      try Terminal.write(stream.append(token))
    }
    try Terminal.write(stream.rest() + "\n")
    Terminal.writeError(
      String(
        format: "%d tokens, %.0f tokens/s", made.count,
        Double(made.count) / max(watch.seconds, 1e-9)))
  }
}

/// Text of tokens as they come: only what later tokens cannot change is handed out.
private struct DecodedStream {
  private let tokenizer: any Tokenizer
  private var tokens: [Int32] = []
  private var handedOut = 0

  init(_ tokenizer: any Tokenizer) { self.tokenizer = tokenizer }

  /// The text that a token completes; a character of several byte tokens waits for its last.
  mutating func append(_ token: Int32) -> String {
    tokens.append(token)
    return take { !$0.hasSuffix("\u{FFFD}") }
  }

  /// What is left.
  mutating func rest() -> String { take { _ in true } }

  private mutating func take(if isComplete: (String) -> Bool) -> String {
    let text = tokenizer.decode(tokens)
    guard isComplete(text) else { return "" }
    let new = String(decoding: text.utf8.dropFirst(handedOut), as: UTF8.self)
    handedOut = text.utf8.count
    // Long texts: keep the work for a token constant.
    if tokens.count > 64, let last = tokens.last {
      tokens = [last]
      handedOut = tokenizer.decode(tokens).utf8.count
    }
    return new
  }
}
