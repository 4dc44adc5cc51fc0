import ArgumentParser
import Foundation
import NanoAutograd
import NanoData
import NanoExperiments
import NanoModels
import NanoTensor
import NanoTraining

/// `bench-cli evaluate`: a full pass of a trained model over text that it was not trained on.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Score a trained model: NLL per token, perplexity, bits per character and byte.",
    discussion: CommandConfiguration.examples(
      "evaluate", "evaluate --model runs/latest/nanogpt --valid other.txt --json"))

  @OptionGroup(title: "Model") var model: ModelOption

  @Option(
    "A text or stories, of which the part is read that validates", "path",
    default: "what the model was validated on, which its folder tells")
  var data: String?

  @Option("Stories, or a whole text, to score instead of what --data sets apart", "path")
  var valid: String?

  @Option(
    name: [.customLong("data-seed"), .customLong("seed")], parsing: .unconditional,
    help: ArgumentHelp("Score the built-in corpus of this seed.", valueName: "number"))
  var dataSeed: UInt64?

  @Option("Tokens of a window, the stride", "tokens", default: "the model's context")
  var context: Int?

  @Option("Operands of matrix products: \(list(Precision.self))", "format", default: "fp32")
  var precision: String?

  @OptionGroup(title: "Device") var deviceOption: DeviceOption

  @Flag(help: "Print one JSON object.")
  var json = false

  /// The evaluation's fields, and beside them what the grammar that wrote the text knows, as in `results.json`.
  private struct Report: Encodable {
    let evaluation: Evaluation
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

  func validate() throws {
    guard dataSeed == nil || data == nil && valid == nil else {
      throw ValidationError("--data-seed is of the built-in corpus; --data and --valid name another text")
    }
  }

  func run() throws {
    let folder = try model.folder
    let contents = try ModelFolder.load(folder)
    let window = context ?? contents.model.configuration.contextLength
    guard (1...contents.model.configuration.contextLength).contains(window) else {
      throw ValidationError(
        "context is \(window); it must be from 1 to the model's "
          + "\(contents.model.configuration.contextLength)")
    }
    let scored = try scoredText(for: contents, in: folder)
    let evaluator = FullPassEvaluator(
      scored.text, windowLength: window,
      precision: try choose(precision, for: "precision") ?? .float32)
    let watch = Stopwatch()
    let device = try deviceOption.resolved(
      precision: evaluator.precision, model: contents.model.configuration as? DecoderConfiguration)
    let evaluation = evaluator.evaluate(contents.model.on(device))
    try device.check()
    guard evaluation.nllPerToken.isFinite else { throw RunError("\(folder): \(NotFiniteLogits())") }
    if json {
      let report = Report(evaluation: evaluation, optimumNLL: scored.optimum)
      print(String(decoding: try JSONEncoder.readable.encode(report), as: UTF8.self))
    } else {
      Terminal.printProse(
        String(
          format: "%@, %d tokens in windows of %d: %.4f nats a token, perplexity %.3f, "
            + "%.4f bits a character, %.4f bits a byte (%.0f tokens/s)", scored.content, evaluation.tokens,
          evaluator.windowLength, evaluation.nllPerToken, evaluation.perplexity, evaluation.bitsPerCharacter,
          evaluation.bitsPerByte,
          Double(evaluation.tokens) / max(watch.seconds, 1e-9)))
      if let optimum = scored.optimum {
        Terminal.printProse(String(format: "The grammar that wrote the text: %.4f nats a character.", optimum))
      }
      if let balance = evaluation.balanceLoss, let z = evaluation.zLoss,
        let violation = evaluation.maximalViolation
      {
        Terminal.printProse(
          String(
            format: "Mixtures, apart from that: balance loss %.4f (1 for uniform scores), z-loss %.4f, maximal "
              + "violation of balance %.3f", balance, z, violation))
      }
    }
  }

  /// What is scored, what that is called, and what it costs the grammar that wrote it, if one did.
  private typealias Scored = (text: TokenizedText, content: String, optimum: Double?)

  private func scoredText(for contents: ModelFolder.Contents, in folder: String) throws -> Scored {
    switch contents.tokenizer {
    case let tokenizer as CharacterTokenizer:
      if let valid {
        guard data == nil else {
          throw ValidationError("--data has no effect beside --valid, whose characters are all scored; leave it out")
        }
        let content = try TextFile.read(valid)
        let text = try RunError.naming(valid) { try TokenizedText(whole: content, tokenizer: tokenizer) }
        return (text, "\(valid): \(text.characterCount) characters", nil)
      }
      var recipe = try recipe(.characters, contents.data, folder)
      recipe.vocabulary = tokenizer
      let corpus = try recipe.makeCorpus()
      try corpus.requireWindows(of: 1)
      try compare(corpus.record.source, corpus.record.validationSHA256, with: contents.data)
      return (
        corpus.validation, "\(corpus.record.source): \(corpus.validation.characterCount) characters", corpus.optimumNLL
      )
    case let tokenizer as any StoryTokenizer:
      let recipe =
        valid != nil && data == nil
        ? CorpusRecipe(.stories, path: valid, validationPath: valid) : try recipe(.stories, contents.data, folder)
      let source = try recipe.storySource
      let preparation = StoryPreparation(source, threadCount: WorkerPool.shared.threadCount)
      let tokens = try preparation.tokens(of: .validation, tokenizer: tokenizer)
      if valid == nil { try compare(source.name, tokens.header.sha256, with: contents.data) }
      return (
        TokenizedText(tokens, endOfStory: tokenizer.endOfStory),
        "\(valid ?? source.name): \(source.form), \(tokens.header.storyCount) stories", nil
      )
    default:
      throw RunError("\(folder): a model with such a tokenizer is not scored")
    }
  }

  /// The text: where flags say, else where the model's folder says.
  private func recipe(_ kind: CorpusRecipe.Kind, _ record: DataRecord?, _ folder: String) throws -> CorpusRecipe {
    if let data { return CorpusRecipe(kind, path: data, validationPath: valid) }
    if let dataSeed { return CorpusRecipe(kind, builtInSeed: dataSeed) }
    guard let record else {
      throw RunError(
        "\(folder): does not say what the model was validated on; name a text with --data, of which a tenth is read, or "
          + "with --valid, of which all is")
    }
    let recipe = CorpusRecipe(record, kind: kind)
    try recipe.requireFiles()
    return recipe
  }

  /// Throws when the text that was meant has changed; of another that was named, says so.
  private func compare(_ source: String, _ hash: String, with record: DataRecord?) throws {
    guard let record, hash != record.validationSHA256 else { return }
    guard data == nil, dataSeed == nil else {
      Terminal.writeError(
        "Note: not the text that the model was validated on, which came from \(record.source).")
      return
    }
    throw RunError(
      "\(source): has changed since the model was validated on it; name with --data or --valid what to score")
  }
}
