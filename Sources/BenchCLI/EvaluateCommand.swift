import ArgumentParser
import Foundation
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
      a text.
      """)
  var data: String

  @Option(help: "Stories, or a whole text, to score instead of what --data sets apart.")
  var valid: String?

  @Option(
    parsing: .unconditional, help: "Tokens of a window, the stride; by default the model's context.")
  var context: Int?

  @Option(help: "Operands of matrix products: fp32, fp32-split, bf16, fp16.")
  var precision: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let contents = try ModelFolder.load(model)
    let window = context ?? contents.model.configuration.contextLength
    guard (1...contents.model.configuration.contextLength).contains(window) else {
      throw ValidationError(
        "context is \(window); it must be from 1 to the model's "
          + "\(contents.model.configuration.contextLength)")
    }
    let (text, content) = try scoredText(for: contents.tokenizer)
    let evaluator = FullPassEvaluator(
      text, windowLength: window,
      precision: try StudyOptions.choose(precision, for: "precision") ?? .float32)
    let watch = Stopwatch()
    let evaluation = evaluator.evaluate(contents.model)
    if json {
      print(String(decoding: try JSONEncoder.readable.encode(evaluation), as: UTF8.self))
    } else {
      print(
        String(
          format: "%@, %d tokens in windows of %d: %.4f nats a token, perplexity %.3f, "
            + "%.4f bits a character, %.4f bits a byte (%.0f tokens/s)", content, evaluation.tokens,
          window, evaluation.nllPerToken, evaluation.perplexity, evaluation.bitsPerCharacter,
          evaluation.bitsPerByte,
          Double(evaluation.tokens) / max(watch.seconds, 1e-9)))
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

  /// What is scored, and what that is called.
  private func scoredText(for tokenizer: any Tokenizer) throws -> (text: ScoredText, content: String) {
    switch tokenizer {
    case let tokenizer as CharacterTokenizer:
      let path = valid ?? data
      let text = try TextFile.read(path)
      do {
        let scored =
          try valid == nil
          ? ScoredText(
            validating: TextDataset(tokens: try tokenizer.encode(text), contextLength: 1),
            tokenizer: tokenizer)
          : ScoredText(whole: text, tokenizer: tokenizer)
        return (scored, "\(scored.characterCount) characters")
      } catch {
        throw RunError("\(path): \(error)")
      }
    case let tokenizer as SentencePieceTokenizer:
      let preparation = StoryPreparation(try StorySource(data, validation: valid))
      let tokens = try preparation.tokens(of: .validation, tokenizer: tokenizer)
      return (
        ScoredText(tokens, endOfStory: tokenizer.endOfStory), "\(tokens.header.storyCount) stories"
      )
    default:
      preconditionFailure("evaluate: no text for \(type(of: tokenizer))")
    }
  }
}
