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

  func validate() throws {
    guard tableEvery ?? 1 >= 1 else {
      throw ValidationError("table-every is \(tableEvery!); it must be at least 1")
    }
  }

  private static let tokenizerName = "tokenizer.model"

  /// Tokenizer and tokens of a run, and its plan.
  struct Preparation {
    let dataset: StoriesDataset
    let form: String
    var plan: RunPlan<StoriesConfiguration>
    /// What a person should know, if the run is made longer.
    var notice: String?
    let initial: InitialModel?
  }

  /// What to run: something new, or what is in the folder that `run` resumes, with the settings it was begun with.
  func prepare(
    _ stories: StoriesOptions, _ shared: StudyOptions, _ run: RunOptions, data: String?, isQuiet: Bool
  ) throws -> Preparation {
    let begun = try run.resume.map { try RunPlanFile.read(RunPlan<StoriesConfiguration>.self, $0) }
    let initial = try run.initial.map(InitialModel.init)
    let fromInitial = try initial.map(Self.study)
    var configuration = try stories.configuration(
      shared, startingFrom: begun?.configuration ?? fromInitial)
    if let sampleEvery { configuration.sampleInterval = sampleEvery }
    assign(run.checkpointEvery.map(Optional.some), to: &configuration.checkpointInterval)
    assign(run.keep, to: &configuration.keptCheckpoints)
    try configuration.validate()
    if let fromInitial, configuration.models != fromInitial.models {
      throw ValidationError("--init has weights for \(fromInitial.modelNames[0]) alone; leave --models out")
    }
    let location =
      try begun?.data.location(data: data, valid: valid)
      ?? DataRecord.Location(path: data, validation: valid, seed: configuration.seed)
    let source = try Self.source(location)
    let preparation = StoryPreparation(source) { stage, share in
      if !isQuiet, Terminal.isInteractive { Terminal.show(stage, share) }
    }
    let model = (run.resume ?? run.initial).map { "\($0)/\(Self.tokenizerName)" } ?? tokenizer
    let tokenizer = try preparation.tokenizer(model: model, vocabularySize: configuration.vocabularySize)
    if begun == nil, initial == nil { configuration.setVocabularySize(tokenizer.vocabularySize) }
    try configuration.validate()
    let dataset = try StoriesDataset(
      tokenizer: tokenizer, training: try preparation.tokens(of: .training, tokenizer: tokenizer),
      validation: try preparation.tokens(of: .validation, tokenizer: tokenizer),
      source: source.name, contextLength: configuration.contextLength)
    if !isQuiet {
      if Terminal.isInteractive { Terminal.rewriteLine("") }
      Terminal.writeError(
        "Stories: \(source.name), \(source.form), \(dataset.training.header.storyCount) to train on "
          + "(\(dataset.training.count) tokens), \(dataset.validation.header.storyCount) to validate "
          + "(\(dataset.validation.count) tokens), \(tokenizer.vocabularySize) pieces")
    }
    let record = Self.record(of: dataset, location, form: source.form)
    var plan =
      try begun
      ?? RunPlan(study: .stories, configuration: configuration, data: record, initial: initial?.record)
    var notice: String?
    if let resume = run.resume {
      try plan.data.require(record, resume)
      plan.data = record
      notice = try plan.goOn(with: configuration, in: resume)
    }
    return Preparation(dataset: dataset, form: source.form, plan: plan, notice: notice, initial: initial)
  }

  /// The study of a model that was trained before.
  private static func study(_ initial: InitialModel) throws -> StoriesConfiguration {
    guard let study = StoriesConfiguration(of: initial.contents.model.configuration),
      initial.contents.tokenizer is SentencePieceTokenizer
    else {
      throw RunError(
        "\(initial.path): not a model of stories with a SentencePiece tokenizer; leave --preset stories out for one of "
          + "characters")
    }
    return study
  }

  /// A new run's folder, which begins with the tokenizer and the plan in it.
  static func createFolder(_ names: [String], _ preparation: Preparation) throws -> String {
    try OutputFolder.create(
      names,
      with: [
        tokenizerName: preparation.dataset.tokenizer.model,
        RunPlanFile.name: JSONEncoder.readable.encode(preparation.plan),
      ])
  }

  /// What stories are and where they came from.
  static func record(
    of dataset: StoriesDataset, _ location: DataRecord.Location, form: String
  ) -> DataRecord {
    DataRecord(
      source: dataset.source, path: location.path.map(absolutePath),
      validationPath: location.validation.map(absolutePath),
      builtInSeed: location.path == nil ? location.seed : nil, form: form,
      split: location.validation == nil ? "the folder's own, else one story in ten" : "a file of its own",
      trainingSHA256: dataset.training.header.sha256, validationSHA256: dataset.validation.header.sha256)
  }

  /// The named stories, else the built-in corpus.
  static func source(_ location: DataRecord.Location) throws -> StorySource {
    if let path = location.path { return try StorySource(path, validation: location.validation) }
    guard location.validation == nil else {
      throw ValidationError("--valid needs --data; the built-in corpus has its own split")
    }
    var generator = RandomGenerator(seed: location.seed).split(0)
    return StorySource(builtInWith: &generator)
  }
}
