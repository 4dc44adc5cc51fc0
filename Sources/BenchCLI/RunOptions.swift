import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoModels
import NanoTraining

/// What is read.
struct TextOptions: ParsableArguments {
  @Option(
    """
    A UTF-8 text file; for stories a file or folder of TinyStories, JSON or text. Of a resumed run: where its text lies \
    now
    """, "path", default: "input.txt here, else the built-in corpus; of stories the built-in corpus")
  var data: String?

  @Option("Stories to validate on", "path", default: "the folder's own, else one story in ten")
  var valid: String?

  @Option("What the built-in corpus is made from, and that it is read", "number", default: "1337")
  var dataSeed: UInt64?

  @Option("A SentencePiece model for stories", "file", default: "one is trained on them")
  var tokenizer: String?

  @Option("Pieces of the tokenizer that is trained on stories, from 300", "count", default: "4096")
  var vocab: Int?

  func validate() throws {
    guard dataSeed == nil || data == nil else {
      throw ValidationError("--data-seed is of the built-in corpus, and --data names another text; give one of them")
    }
    guard tokenizer == nil || vocab == nil else {
      throw ValidationError("--vocab has no effect beside --tokenizer, which has its pieces; leave it out")
    }
  }
}

extension TextOptions {
  /// The text that is asked for.
  /// - Throws: for a flag that such a text has no use for.
  func recipe(for preset: Preset) throws -> CorpusRecipe {
    let kind = preset.corpusKind
    if kind == .characters { try requireNoFlagsOfStories() }
    guard valid == nil || data != nil else {
      throw ValidationError("--valid needs --data; the built-in corpus has its own split")
    }
    let isHere = kind == .characters && dataSeed == nil && FileManager.default.fileExists(atPath: "input.txt")
    return CorpusRecipe(
      kind, path: data ?? (isHere ? "input.txt" : nil), validationPath: valid, builtInSeed: dataSeed ?? 1337,
      tokenizer: tokenizer, vocabularySize: vocab ?? 4096)
  }

  func requireNoFlagsOfStories() throws {
    for flag in givenFlags where !["data", "data-seed"].contains(flag.name) {
      throw ValidationError("--\(flag.name) has no effect here: the text is one of characters; leave it out")
    }
  }
}

/// How a run is continued, and begun from another.
struct ContinuationOptions: ParsableArguments {
  @Option("The folder of a run to go on with; with more --iterations it is made longer", "folder")
  var resume: String?

  @Option(
    name: .customLong("init"),
    help: ArgumentHelp("A model folder whose weights the one model begins with.", valueName: "folder"))
  var initial: String?

  func validate() throws {
    guard resume == nil || initial == nil else {
      throw ValidationError("--init is for a new run; a resumed one has weights of its own")
    }
  }
}

/// Everything about a training run but which models are trained.
struct RunOptions: ParsableArguments {
  @OptionGroup(title: "Text") var text: TextOptions
  @OptionGroup(title: "Parts and sizes of models") var models: ModelOptions
  @OptionGroup(title: "Optimizer") var optimizers: OptimizerOptions
  @OptionGroup(title: "Step") var steps: StepOptions
  @OptionGroup(title: "Length and schedule") var schedule: ScheduleOptions
  @OptionGroup(title: "Evaluation and samples") var evaluation: EvaluationOptions
  @OptionGroup(title: "Checkpoints and memory") var checkpoints: CheckpointOptions
  @OptionGroup(title: "Going on") var continuation: ContinuationOptions
  @OptionGroup(title: "Device") var deviceOption: DeviceOption
  @OptionGroup(title: "Output") var output: OutputOptions

  /// Whether the models are new ones, rather than those of a folder.
  var isFresh: Bool { continuation.resume == nil && continuation.initial == nil }

  /// Settings of experiments that were given.
  var flags: [GivenFlag] {
    models.givenFlags + optimizers.givenFlags + steps.givenFlags + schedule.givenFlags + evaluation.givenFlags
      + checkpoints.givenFlags
  }

  func validate() throws {
    guard continuation.resume == nil || output.out == nil else {
      throw ValidationError("--out is for a new run; a resumed one goes on in its folder")
    }
    guard continuation.resume == nil || text.dataSeed == nil else {
      throw ValidationError("--data-seed is for a new run; a resumed one has its text")
    }
    guard isFresh || text.tokenizer == nil else {
      throw ValidationError("--tokenizer is for a new run with fresh weights; this one has a tokenizer")
    }
    guard isFresh || text.vocab == nil else {
      throw ValidationError("--vocab is for a new tokenizer; this run has one")
    }
  }

  private var runner: StudyRunner { StudyRunner(output: output, device: deviceOption) }

  /// Makes the runs of a study, or goes on with them.
  /// - Parameter command: what a folder is named after that has no name.
  func run(_ builder: StudyBuilder, command: String) throws {
    if let resume = continuation.resume { return try goOn(LatestRun.resolved(resume), builder) }
    let folders = output.folders(command)
    try OutputFolder.check(folders)
    let initial = try continuation.initial.map { (path: $0, contents: try ModelFolder.load($0)) }
    var recipe = try text.recipe(for: builder.preset)
    try initial.map { try take(tokenizerOf: $0, for: &recipe) }
    // Once before the text is read, so that what cannot be is refused at once.
    try builder.newStudy(corpus: recipe, initial: initial).validate()
    let corpus = try runner.makeCorpus(recipe)
    var study = try builder.newStudy(
      corpus: recipe.bound(to: corpus.record), vocabulary: corpus.tokenizer.vocabularySize, initial: initial)
    if study.corpus.tokenizer == nil { study.corpus.vocabularySize = recipe.vocabularySize }
    try study.validate()
    let device = try runner.device(of: study)
    try runner.run(StudySession(beginning: study, corpus: corpus, folders: folders), on: device)
  }

  // MARK: A new text

  /// A model that was trained before knows its tokens.
  private func take(
    tokenizerOf initial: (path: String, contents: ModelFolder.Contents), for recipe: inout CorpusRecipe
  ) throws {
    switch (recipe.kind, initial.contents.tokenizer) {
    case (.characters, let tokenizer as CharacterTokenizer): recipe.vocabulary = tokenizer
    case (.stories, is SentencePieceTokenizer): recipe.tokenizer = "\(initial.path)/tokenizer.model"
    case (.characters, _):
      throw RunError("\(initial.path): not a model of characters; add --preset stories for one of stories")
    case (.stories, _):
      throw RunError(
        "\(initial.path): not a model of stories with a SentencePiece tokenizer; leave --preset stories out for one of "
          + "characters")
    }
  }

  // MARK: A run that goes on

  private func goOn(_ folder: String, _ builder: StudyBuilder) throws {
    let hold = try OutputFolder.hold(folder)
    var study = try Study(resuming: folder)
    if study.corpus.kind == .characters { try text.requireNoFlagsOfStories() }
    let now = try builder.changed(study, in: folder)
    try now.validate()
    if let data = text.data {
      study.corpus.path = absolutePath(data)
      study.corpus.validationPath = text.valid.map(absolutePath) ?? study.corpus.validationPath
    } else if let valid = text.valid {
      study.corpus.validationPath = absolutePath(valid)
    }
    let corpus = try runner.makeCorpus(StudySession.corpusRecipe(of: study, in: folder))
    var changed = now
    changed.corpus = study.corpus
    let notice = try study.goOn(with: changed, in: folder)
    if let notice { Terminal.writeError(notice) }
    let device = try runner.device(of: study)
    try runner.run(StudySession(resuming: study, corpus: corpus, folder: folder, hold: hold), on: device)
  }
}
