import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoLayers
import NanoModels
import NanoTraining

/// `bench-cli prune`: a trained mixture with fewer experts.
struct PruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Remove experts from a trained dense mixture.",
    discussion: CommandConfiguration.examples(
      "prune --experts 2 --out pruned", "prune --experts 3 --by load --out pruned-to-3",
      note: """
        In turn, each layer loses the expert that is missed least on windows of the training split, or whose gate is \
        least often the largest there (--by load), or whose gates sum to least (--by gate-mass); the loss that is \
        printed is of the whole validation split. compare --init DIR --iterations 500 trains what is left a little more.
        """))

  @OptionGroup var source: ModelOption

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Experts that stay in each layer, at least 1.", valueName: "count"))
  var experts: Int

  @Option("What experts are removed by: \(list(ExpertPruning.Criterion.self))", "criterion", default: "loss")
  var by: String?

  @Option(help: ArgumentHelp("The folder for the smaller model.", valueName: "folder"))
  var out: String

  @Option("The text that the model was trained on", "path", default: "where its folder tells")
  var data: String?

  func run() throws {
    let criterion: ExpertPruning.Criterion = try choose(by, for: "by") ?? .loss
    let model = try source.folder
    let contents = try ModelFolder.load(model)
    guard let decoder = contents.model as? Decoder, let tokenizer = contents.tokenizer as? CharacterTokenizer,
      let mixture = decoder.configuration.denseMoE
    else {
      throw RunError("\(model): not a model of characters with a dense mixture of experts")
    }
    guard (1..<mixture.expertCount).contains(experts) else {
      throw ValidationError("experts is \(experts); it must be from 1 to \(mixture.expertCount - 1)")
    }
    try OutputFolder.check(out)
    var recipe = try recipe(contents.data, of: model)
    recipe.vocabulary = tokenizer
    let corpus = try recipe.makeCorpus()
    try corpus.requireWindows(of: decoder.configuration.contextLength)
    let evaluator = FullPassEvaluator(
      corpus.validation, windowLength: decoder.configuration.contextLength, precision: .float32)
    func tell(_ decoder: Decoder, _ count: Int, _ removed: String) throws {
      let loss = evaluator.evaluate(decoder).nllPerToken
      guard loss.isFinite else { throw RunError("\(model): \(NotFiniteLogits())") }
      print(
        String(format: "%2d experts  %9d parameters  validation %.4f  ", count, decoder.parameterCount, loss) + removed)
    }
    try tell(decoder, mixture.expertCount, "")
    var pruning = try ExpertPruning(of: decoder, on: corpus.training, by: criterion)
    var pruned = decoder
    for count in (experts..<mixture.expertCount).reversed() {
      try pruning.removeOneOfEach()
      pruned = try pruning.pruned()
      let removed = pruning.removals.suffix(decoder.configuration.layerCount).map { "\($0.layer):\($0.expert)" }
      try tell(pruned, count, "without " + removed.joined(separator: " ") + " (layer:expert)")
    }
    try OutputFolder.create([out]) { folder in
      try ModelFolder.save(pruned, tokenizer: tokenizer, data: contents.data, to: folder)
    }
  }

  private func recipe(_ record: DataRecord?, of model: String) throws -> CorpusRecipe {
    if let data { return CorpusRecipe(.characters, path: data) }
    guard let record else {
      throw RunError("\(model): does not tell what it was trained on; name the text with --data")
    }
    let recipe = CorpusRecipe(record, kind: .characters)
    try recipe.requireFiles()
    return recipe
  }
}
