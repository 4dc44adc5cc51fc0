import ArgumentParser
import Foundation
import NanoAutograd
import NanoData
import NanoModels
import NanoTensor
import NanoTraining

/// `bench-cli evaluate`: a full pass of a trained model over text that it was not trained on.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Score a trained model: NLL per token, perplexity, bits per character and byte.")

  @Option(help: "A model folder, such as runs/<time>-compare/nanokimik2.")
  var model: String

  @Option(
    help: """
      What the model was trained on, of which the validation split is read: stories, or for a model of characters \
      a text, by default input.txt here; else the built-in corpus.
      """)
  var data: String?

  @Option(help: "Stories, or a whole text, to score instead of what --data sets apart.")
  var valid: String?

  @Option(parsing: .unconditional, help: "The seed of the run, which its built-in corpus was made from.")
  var seed = StudyConfiguration(preset: .seed).seed

  @Option(
    parsing: .unconditional, help: "Tokens of a window, the stride; by default the model's context.")
  var context: Int?

  @Option(help: "Operands of matrix products: fp32, fp32-split, bf16, fp16.")
  var precision: String?

  @OptionGroup var deviceOption: DeviceOption

  @Flag(help: "Print one JSON object.")
  var json = false

  /// The evaluation's fields, and beside them what the grammar that wrote the text knows, as in `results.json`.
  private struct Report: Encodable {
    let evaluation: FullPassEvaluation
    let optimumNLL: Double?

    private enum CodingKeys: CodingKey {
      case optimumNLL
    }

    func encode(to encoder: any Encoder) throws {
      try evaluation.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encodeIfPresent(optimumNLL, forKey: .optimumNLL)
    }
  }

  func run() throws {
    let contents = try ModelFolder.load(model)
    let window = context ?? contents.model.configuration.contextLength
    guard (1...contents.model.configuration.contextLength).contains(window) else {
      throw ValidationError(
        "context is \(window); it must be from 1 to the model's "
          + "\(contents.model.configuration.contextLength)")
    }
    let scored = try scoredText(for: contents.tokenizer)
    let evaluator = FullPassEvaluator(
      scored.text, windowLength: window,
      precision: try StudyOptions.choose(precision, for: "precision") ?? .float32)
    let watch = Stopwatch()
    let evaluation = evaluator.evaluate(contents.model.on(try deviceOption.resolved(precision: evaluator.precision)))
    guard evaluation.nllPerToken.isFinite else { throw RunError("\(model): \(NotFiniteLogits())") }
    if json {
      let report = Report(evaluation: evaluation, optimumNLL: scored.optimum)
      print(String(decoding: try JSONEncoder.readable.encode(report), as: UTF8.self))
    } else {
      print(
        String(
          format: "%@, %d tokens in windows of %d: %.4f nats a token, perplexity %.3f, "
            + "%.4f bits a character, %.4f bits a byte (%.0f tokens/s)", scored.content, evaluation.tokens,
          window, evaluation.nllPerToken, evaluation.perplexity, evaluation.bitsPerCharacter,
          evaluation.bitsPerByte,
          Double(evaluation.tokens) / max(watch.seconds, 1e-9)))
      if let optimum = scored.optimum {
        print(String(format: "The grammar that wrote the text: %.4f nats a character.", optimum))
      }
      if let balance = evaluation.balanceLoss, let z = evaluation.zLoss,
        let violation = evaluation.maximalViolation
      {
        print(
          String(
            format: "Mixtures, apart from that: balance loss %.4f (1 for uniform scores), z-loss %.4f, maximal "
              + "violation of balance %.3f", balance, z, violation))
      }
    }
  }

  /// What is scored, what that is called, and what it costs the grammar that wrote it, if one did.
  private func scoredText(
    for tokenizer: any Tokenizer
  ) throws -> (text: ScoredText, content: String, optimum: Double?) {
    switch tokenizer {
    case let tokenizer as CharacterTokenizer:
      if let valid {
        let content = try TextFile.read(valid)
        let text = try RunError.naming(valid) { try ScoredText(whole: content, tokenizer: tokenizer) }
        return (text, "\(valid): \(text.characterCount) characters", nil)
      }
      let corpus = try Corpus.load(data, seed: seed, tokenizer: tokenizer)
      let text = try RunError.naming(corpus.source) {
        ScoredText(
          validating: try TextDataset(tokens: corpus.tokens, contextLength: 1), tokenizer: tokenizer)
      }
      return (text, "\(corpus.source): \(text.characterCount) characters", corpus.optimumNLL)
    case let tokenizer as any StoryTokenizer:
      let source = try StoriesRunOptions.source(data ?? valid, valid: valid, seed: seed)
      let tokens = try StoryPreparation(source).tokens(of: .validation, tokenizer: tokenizer)
      return (
        ScoredText(tokens, endOfStory: tokenizer.endOfStory),
        "\(valid ?? source.name): \(tokens.header.storyCount) stories", nil
      )
    default:
      fatalError("evaluate: no text for \(type(of: tokenizer))")
    }
  }
}
