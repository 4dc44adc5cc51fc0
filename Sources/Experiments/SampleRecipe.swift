internal import Foundation
internal import NanoData
internal import NanoModels
internal import NanoTensor
internal import NanoTraining

/// What a model is asked to write in the course of its training.
public struct SampleRecipe: Hashable, Sendable, Codable {
  /// The beginnings that it is given, from 1 to 1,000 of them.
  public var prompts: [String]
  /// Tokens of a text at most.
  public var tokenCount: Int
  /// Logits are divided by it; 0 takes the most likely token.
  public var temperature: Float
  /// Only the k most likely tokens are drawn from; nil for all.
  public var topK: Int?
  /// Steps from one set of samples to the next; nil for none on the way.
  public var interval: Int?
  /// Whether the weights that are kept write once more when the run ends.
  public var showsBest: Bool
  /// Which of the seed's streams the first prompt's drawing comes from.
  public var stream: UInt64

  /// 500 characters of the best weights, after a line break.
  public static let characters = SampleRecipe(
    prompts: ["\n"], tokenCount: 500, temperature: 1, showsBest: true, stream: 100)
  /// The beginnings of three stories.
  public static let stories = SampleRecipe(
    prompts: ["Once upon a time", "Lily and Ben", "One day, a little dog"], tokenCount: 160, temperature: 0.8, topK: 50,
    showsBest: true, stream: 200)
}

/// A text that a model wrote.
public struct Sample: Hashable, Sendable, Codable {
  /// Steps made before it.
  public var step: Int
  /// The beginning that was given.
  public var prompt: String
  /// What the model wrote after the prompt, without it.
  public var text: String
}

extension SampleRecipe {
  private static let fileName = "samples.json"

  /// Continues every prompt and adds the results to those in the run's folder.
  func write(
    _ model: some LanguageModel, tokenizer: any Tokenizer, step: Int, seed: UInt64, folder: String
  ) throws -> [Sample] {
    var generators = prompts.indices.map { RandomGenerator(seed: seed).split(stream &+ UInt64($0)) }
    var generator = TextGenerator(
      Sampler(temperature: temperature, topK: topK), tokenCount: tokenizer.vocabularySize,
      generator: RandomGenerator(seed: seed))
    // A window of characters is short, and slides as in the published study.
    generator.usesCache = !(tokenizer is CharacterTokenizer)
    // A text begins where another one ended; one of characters may lack the prompt's.
    let start = tokenizer.endOfText.map { [$0] } ?? []
    let beginnings = prompts.map { start + ((try? tokenizer.encode($0)) ?? [0]) }
    let texts: [String]
    do {
      texts = try generator.generate(
        tokenCount, after: beginnings, endingAt: tokenizer.endOfText, from: model, using: &generators
      ).map { tokenizer.decode($0) }
    } catch {
      texts = prompts.map { _ in "(no sample: \(error))" }
    }
    let samples = zip(prompts, texts).map { Sample(step: step, prompt: $0, text: $1) }
    let all = Self.read(folder).filter { $0.step < step } + samples
    try AtomicFile.write(JSONEncoder.readable.encode(all), to: "\(folder)/\(Self.fileName)")
    return samples
  }

  static func read(_ folder: String) -> [Sample] {
    FileManager.default.contents(atPath: "\(folder)/\(fileName)").flatMap {
      try? JSONDecoder().decode([Sample].self, from: $0)
    } ?? []
  }
}

/// The samples of several runs side by side.
public enum SampleDocument {
  /// A run's title, for people, and the folder where its samples are.
  public typealias Source = (title: String, folder: String)

  /// The last sample of each run, as plain text.
  public static func text(of runs: [Source]) -> String {
    runs.compactMap { title, folder in
      SampleRecipe.read(folder).last.map { "=== \(title) ===\n\($0.text)\n\n" }
    }.joined()
  }

  /// The first lines of the last first sample of each run, for a look.
  /// - Parameters:
  ///   - lineCount: lines of each.
  ///   - width: characters of a line at most.
  public static func excerpts(of runs: [Source], lineCount: Int = 3, width: Int = 78) -> String {
    runs.compactMap { title, folder -> String? in
      let samples = SampleRecipe.read(folder)
      guard let sample = samples.first(where: { $0.step == samples.last?.step }) else { return nil }
      var lines: [String] = []
      for paragraph in (sample.prompt + sample.text).split(separator: "\n") {
        var rest = paragraph.drop { $0 == " " }
        while rest.count > width {
          let end = rest.prefix(width).lastIndex(of: " ") ?? rest.index(rest.startIndex, offsetBy: width)
          lines.append(String(rest[..<end]))
          rest = rest[end...].drop { $0 == " " }
        }
        if !rest.isEmpty { lines.append(String(rest)) }
      }
      return "\n\(title) writes:\n" + lines.prefix(lineCount).map { "  \($0)\n" }.joined()
    }.joined()
  }

  /// All samples, step by step, as Markdown.
  public static func markdown(of runs: [Source]) -> String {
    let samples = runs.map { (title: $0.title, samples: SampleRecipe.read($0.folder)) }
    var document = "# Samples\n"
    for step in Set(samples.flatMap { $0.samples.map(\.step) }).sorted() {
      document += "\n## Step \(step)\n"
      var prompts: [String] = []
      for sample in samples.flatMap(\.samples) where sample.step == step && !prompts.contains(sample.prompt) {
        prompts.append(sample.prompt)
      }
      for prompt in prompts {
        document += "\n### \(prompt) …\n\n"
        document += "| " + samples.map(\.title).joined(separator: " | ") + " |\n"
        document += "|" + samples.map { _ in " --- |" }.joined() + "\n"
        let cells = samples.map { run in
          run.samples.first { $0.step == step && $0.prompt == prompt }.map { cell($0.text) } ?? ""
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
