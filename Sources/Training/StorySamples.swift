internal import Foundation
public import NanoData
public import NanoModels
internal import NanoTensor

/// Stories that a model wrote in the course of its training, kept in its folder as `samples.json`.
public enum StorySamples {
  public struct Sample: Hashable, Sendable, Codable {
    public var step: Int
    public var prompt: String
    public var text: String
  }

  public static let prompts = ["Once upon a time", "Lily and Ben", "One day, a little dog"]
  private static let tokensPerSample = 160

  /// Continues every prompt and adds the results to the folder's samples.
  @discardableResult
  public static func write(
    _ model: some LanguageModel, tokenizer: SentencePieceTokenizer, step: Int, seed: UInt64,
    folder: String
  ) throws -> [Sample] {
    let samples = try prompts.enumerated().map { index, prompt in
      var generator = TextGenerator(
        Sampler(temperature: 0.8, topK: 50), tokenCount: tokenizer.vocabularySize,
        generator: RandomGenerator(seed: seed).split(UInt64(200 + index)))
      let tokens = try generator.generate(
        tokensPerSample, after: [tokenizer.endOfStory] + (try tokenizer.encode(prompt)),
        endingAt: tokenizer.endOfStory, from: model)
      return Sample(step: step, prompt: prompt, text: tokenizer.decode(tokens))
    }
    let all = read(folder).filter { $0.step < step } + samples
    try AtomicFile.write(JSONEncoder.readable.encode(all), to: folder + "/samples.json")
    return samples
  }

  private static func read(_ folder: String) -> [Sample] {
    FileManager.default.contents(atPath: folder + "/samples.json").flatMap {
      try? JSONDecoder().decode([Sample].self, from: $0)
    } ?? []
  }

  /// The samples of several models side by side, as Markdown.
  public static func document(of models: [(name: String, folder: String)]) -> String {
    let samples = models.map { (name: $0.name, samples: read($0.folder)) }
    let steps = Set(samples.flatMap { $0.samples.map(\.step) }).sorted()
    var document = "# Samples\n"
    for step in steps {
      document += "\n## Step \(step)\n"
      for prompt in prompts {
        document += "\n### \(prompt) …\n\n"
        document += "| " + samples.map(\.name).joined(separator: " | ") + " |\n"
        document += "|" + samples.map { _ in " --- |" }.joined() + "\n"
        let cells = samples.map { model in
          model.samples.first { $0.step == step && $0.prompt == prompt }.map { cell($0.text) } ?? ""
        }
        document += "| " + cells.joined(separator: " | ") + " |\n"
      }
    }
    return document
  }

  /// A text as it can stand in one cell of a table.
  private static func cell(_ text: String) -> String {
    var escaped = ""
    for character in text {
      switch character {
      case "\n": escaped += "<br>"
      case "|", "<", ">", "*", "_", "`", "\\": escaped += "\\\(character)"
      default: escaped.append(character)
      }
    }
    return escaped
  }
}
