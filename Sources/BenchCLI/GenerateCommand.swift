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

  @Option(
    "How weights lie in memory: \(list(WeightFormat.self)); in fewer bits they are read faster", "format",
    default: "fp32")
  var precision: String?

  @Option("Of several samples, how many are written at once", "count", default: "16")
  var batch: Int?

  @OptionGroup(title: "Device") var deviceOption: DeviceOption

  func validate() throws {
    guard (1...10_000_000).contains(tokens) else {
      throw ValidationError("tokens is \(tokens); it must be from 1 to 10000000")
    }
    guard (1...100_000).contains(samples) else {
      throw ValidationError("samples is \(samples); it must be from 1 to 100000")
    }
    guard (1...4096).contains(batch ?? 1) else {
      throw ValidationError("batch is \(batch!); it must be from 1 to 4096")
    }
    guard batch == nil || samples > 1 else {
      throw ValidationError("--batch is of several samples; give --samples too, or leave it out")
    }
    let _: WeightFormat? = try choose(precision, for: "precision")
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

  /// What is continued, and what ends it.
  private struct Beginning {
    let text: String
    let tokens: [Int32]
    let end: Int32?
  }

  private func writeSamples(
    after prompt: String?, _ contents: ModelFolder.Contents, _ model: any LanguageModel
  ) throws {
    let beginning = try beginning(with: prompt, contents)
    let generator = try makeGenerator(contents.tokenizer, model)
    let context = model.configuration.contextLength
    let readCount = generator.readCount(ofPrompt: beginning.tokens.count, context: context)
    if readCount < beginning.tokens.count {
      Terminal.writeError(
        "Note: the prompt has \(beginning.tokens.count) tokens and the model's context \(context); the last \(readCount) "
          + "are read.")
    }
    let seeds = (0..<samples).map { (seed ?? 1337) &+ UInt64($0) }
    let together = generator.usesCache && model.device.isCPU ? batch ?? 16 : 1
    for start in stride(from: 0, to: samples, by: together) {
      try write(
        beginning, seeds: Array(seeds[start..<min(samples, start + together)]), isFirst: start == 0, generator,
        contents.tokenizer, model)
    }
  }

  /// A story begins where another one ended (an imported model's as its tokenizer says); a text of characters, after a
  /// line break, if it has any.
  private func beginning(with prompt: String?, _ contents: ModelFolder.Contents) throws -> Beginning {
    let tokenizer = contents.tokenizer
    let end = tokenizer.endOfText
    let text = prompt ?? (end != nil ? "" : (try? tokenizer.encode("\n")) != nil ? "\n" : tokenizer.decode([0]))
    var tokens = (contents.textStart ?? end.map { [$0] } ?? []) + (try tokenizer.encode(text))
    if tokens.isEmpty, let end { tokens = [end] }
    return Beginning(text: text, tokens: tokens, end: end)
  }

  private func makeGenerator(_ tokenizer: any Tokenizer, _ model: any LanguageModel) throws -> TextGenerator {
    var generator = TextGenerator(
      Sampler(
        temperature: temperature, topK: topK, topP: topP, minP: minP, repetitionPenalty: repetitionPenalty),
      tokenCount: tokenizer.vocabularySize, generator: RandomGenerator(seed: seed ?? 1337))
    // A window of characters is short, and slides as in the published study.
    generator.usesCache = !(tokenizer is CharacterTokenizer)
    let weights: WeightFormat? = try choose(precision, for: "precision")
    guard generator.usesCache && model.device.isCPU || weights == nil && batch == nil else {
      throw ValidationError(
        "\(weights == nil ? "--batch" : "--precision") is of a cache on the CPU; "
          + (generator.usesCache ? "a GPU keeps none" : "a model of characters has none"))
    }
    generator.weights = weights ?? .float32
    return generator
  }

  /// Writes a text for each seed: the first as it comes, the others behind it; then the speed.
  private func write(
    _ beginning: Beginning, seeds: [UInt64], isFirst: Bool, _ generator: TextGenerator, _ tokenizer: any Tokenizer,
    _ model: any LanguageModel
  ) throws {
    func head(_ text: Int) -> String {
      let title = samples > 1 ? (isFirst && text == 0 ? "" : "\n") + "--- seed \(seeds[text]) ---\n" : ""
      return title + beginning.text
    }
    var generators = seeds.map { RandomGenerator(seed: $0) }
    var streams = seeds.map { _ in DecodedStream(tokenizer) }
    var later = [String](repeating: "", count: seeds.count)
    try Terminal.write(head(0))
    let watch = Stopwatch()
    let made = try generator.generate(
      tokens, after: seeds.map { _ in beginning.tokens }, endingAt: beginning.end, from: model, using: &generators
    ) { text, token in
      try model.device.check()
      let piece = streams[text].append(token)
      if text == 0 { try Terminal.write(piece) } else { later[text] += piece }
    }
    let seconds = max(watch.seconds, 1e-9)
    try Terminal.write(streams[0].rest() + "\n")
    for text in seeds.indices.dropFirst() {
      try Terminal.write(head(text) + later[text] + streams[text].rest() + "\n")
    }
    let count = made.reduce(0) { $0 + $1.count }
    Terminal.writeError(String(format: "%d tokens, %.0f tokens/s", count, Double(count) / seconds))
  }
}

/// Text of tokens as they come: only what later tokens cannot change is handed out.
struct DecodedStream {
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
