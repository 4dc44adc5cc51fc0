import ArgumentParser
import NanoData
import NanoTensor
import NanoTraining

/// `bench-cli generate`: text from a trained model.
struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Continue a prompt with a trained model.")

  @Option(help: "A model folder, such as runs/<time>-compare/nanokimi.")
  var model: String

  @Option(help: "The text to continue.")
  var prompt = "\n"

  @Option(parsing: .unconditional, help: "Characters to write.")
  var tokens = 500

  @Option(
    parsing: .unconditional, help: "Below 1 bolder, above 1 wilder, 0 always the most likely.")
  var temperature: Float = 1

  @Option(parsing: .unconditional, help: "Draw from the K most likely characters only.")
  var topK: Int?

  @Option(parsing: .unconditional, help: "What the drawing comes from.")
  var seed: UInt64 = 1337

  func validate() throws {
    guard (1...10_000_000).contains(tokens) else {
      throw ValidationError("tokens is \(tokens); it must be from 1 to 10000000")
    }
    guard temperature >= 0, temperature.isFinite else {
      throw ValidationError("temperature is \(temperature); it must be 0 or more")
    }
    guard topK ?? 1 >= 1 else { throw ValidationError("top-k is \(topK!); it must be at least 1") }
    guard !prompt.isEmpty else {
      throw ValidationError("the prompt is empty; give at least one character")
    }
  }

  func run() throws {
    let contents = try ModelFolder.load(model)
    let promptTokens = try contents.tokenizer.encode(prompt)
    var generator = TextGenerator(
      temperature: temperature, topK: topK, generator: RandomGenerator(seed: seed))
    let continuation = generator.generate(tokens, after: promptTokens, from: contents.model)
    print(prompt + contents.tokenizer.decode(continuation))
  }
}
