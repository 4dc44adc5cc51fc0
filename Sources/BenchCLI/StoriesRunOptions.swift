import ArgumentParser
import Foundation
import NanoData
import NanoModels
import NanoTensor
import NanoTraining

/// How a stories run is fed, watched, kept and continued.
struct StoriesRunOptions: ParsableArguments {
  @Option(help: "Stories to validate on; by default the folder's own, else one story in ten.")
  var valid: String?

  @Option(help: "A SentencePiece model; by default one is trained on the stories.")
  var tokenizer: String?

  @Option(parsing: .unconditional, help: "Steps from one set of sample stories to the next.")
  var sampleEvery: Int?

  @Option(parsing: .unconditional, help: "Steps from one line of the loss table to the next.")
  var tableEvery: Int?

  @Option(parsing: .unconditional, help: "Steps from one checkpoint to the next.")
  var checkpointEvery: Int?

  @Option(parsing: .unconditional, help: "Checkpoints to keep.")
  var keep: Int?

  @Option(help: "The folder of a run to go on with.")
  var resume: String?

  func validate() throws {
    guard tableEvery ?? 1 >= 1 else {
      throw ValidationError("table-every is \(tableEvery!); it must be at least 1")
    }
    guard resume == nil || tokenizer == nil else {
      throw ValidationError("--tokenizer is for a new run; a resumed one has its own")
    }
  }

  /// What to run, in a new folder of one of some names or in one that is resumed with the settings it was begun with.
  func plan(
    _ stories: StoriesOptions, _ shared: StudyOptions, data: String?, out: [String]
  ) throws -> StoriesPlan {
    let begun = try resume.map(StoriesPlan.read)
    var configuration = try stories.configuration(shared, startingFrom: begun?.configuration)
    if let sampleEvery { configuration.sampleInterval = sampleEvery }
    if let checkpointEvery { configuration.checkpointInterval = checkpointEvery }
    if let keep { configuration.keptCheckpoints = keep }
    try configuration.validate()
    var plan = begun ?? StoriesPlan(configuration: configuration, data: data, valid: valid)
    plan.configuration = configuration
    if let data { plan.data = data }
    if let valid { plan.valid = valid }
    guard let begun, let resume else {
      try RunFolder.check(out)
      return plan
    }
    let differences = try plan.differences(from: begun)
    guard differences.isEmpty else {
      throw RunError(
        "\(resume): begun with other settings: \(differences.joined(separator: "; ")); leave these flags out "
          + "to resume, or begin a new run")
    }
    return plan
  }

  private static let tokenizerName = "tokenizer.model"

  /// Tokenizer and tokens, from the cache or made now, and the run's folder. A new folder begins with the tokenizer and
  /// the plan in it; a resumed one must still have the same stories.
  func dataset(
    _ plan: inout StoriesPlan, out: [String], isQuiet: Bool
  ) throws -> (StoriesDataset, folder: String) {
    let source = try Self.source(plan.data, valid: plan.valid, seed: plan.configuration.seed)
    let preparation = StoryPreparation(source) { stage, share in
      if !isQuiet, Terminal.isInteractive { Terminal.show(stage, share) }
    }
    let tokenizer = try preparation.tokenizer(
      model: resume.map { "\($0)/\(Self.tokenizerName)" } ?? self.tokenizer,
      vocabularySize: plan.configuration.vocabularySize)
    plan.configuration.setVocabularySize(tokenizer.vocabularySize)
    try plan.configuration.validate()
    let dataset = try StoriesDataset(
      tokenizer: tokenizer, training: try preparation.tokens(of: .training, tokenizer: tokenizer),
      validation: try preparation.tokens(of: .validation, tokenizer: tokenizer),
      source: source.name, contextLength: plan.configuration.contextLength)
    let digest = "\(dataset.training.header) \(dataset.validation.header)"
    let stories = SHA256.hexadecimal(of: digest.utf8)
    let folder: String
    if let resume {
      guard plan.stories == stories else {
        throw RunError("\(resume): the stories have changed since the run was begun; begin a new run")
      }
      folder = resume
    } else {
      plan.stories = stories
      folder = try RunFolder.create(
        out,
        with: [
          Self.tokenizerName: tokenizer.model,
          StoriesPlan.fileName: JSONEncoder.readable.encode(plan),
        ])
    }
    if !isQuiet {
      if Terminal.isInteractive { Terminal.rewriteLine("") }
      Terminal.writeError(
        "Stories: \(source.name), \(dataset.training.header.storyCount) to train on "
          + "(\(dataset.training.count) tokens), \(dataset.validation.header.storyCount) to validate "
          + "(\(dataset.validation.count) tokens), \(tokenizer.vocabularySize) pieces")
    }
    return (dataset, folder)
  }

  /// The named stories, else the built-in corpus.
  static func source(_ data: String?, valid: String?, seed: UInt64) throws -> StorySource {
    if let data { return try StorySource(data, validation: valid) }
    guard valid == nil else {
      throw ValidationError("--valid needs --data; the built-in corpus has its own split")
    }
    var generator = RandomGenerator(seed: seed).split(0)
    return StorySource(builtInWith: &generator)
  }
}
