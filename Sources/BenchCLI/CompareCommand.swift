import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoModels
import NanoTraining

/// What is read.
struct TextOptions: ParsableArguments {
  @Option(
    help: """
      A UTF-8 text file; by default input.txt here, else the built-in corpus. For stories: a file or folder of \
      TinyStories, JSON or text; by default the built-in corpus. Of a resumed run: where its text lies now.
      """)
  var data: String?

  @Option(help: "Stories to validate on; by default the folder's own, else one story in ten.")
  var valid: String?

  @Option(help: "A SentencePiece model for stories; by default one is trained on them.")
  var tokenizer: String?

  @Option(parsing: .unconditional, help: "Pieces of the tokenizer that is trained on stories (default: 4096).")
  var vocab: Int?
}

/// How a run is continued, and begun from another.
struct ContinuationOptions: ParsableArguments {
  @Option(help: "The folder of a run to go on with; with more --iterations it is made longer.")
  var resume: String?

  @Option(name: .customLong("init"), help: "A model folder whose weights the one model begins with.")
  var initial: String?

  func validate() throws {
    guard resume == nil || initial == nil else {
      throw ValidationError("--init is for a new run; a resumed one has weights of its own")
    }
  }
}

/// `bench-cli compare`: a study, end to end.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Train models on a text and compare them.")

  @OptionGroup(title: "Study") var study: StudyOptions
  @OptionGroup(title: "Text") var text: TextOptions
  @OptionGroup(title: "Models") var models: ModelOptions
  @OptionGroup(title: "Optimizers") var optimizers: OptimizerOptions
  @OptionGroup(title: "Training") var training: TrainingOptions
  @OptionGroup(title: "Evaluation and samples") var evaluation: EvaluationOptions
  @OptionGroup(title: "Checkpoints") var checkpoints: CheckpointOptions
  @OptionGroup(title: "Going on") var continuation: ContinuationOptions
  @OptionGroup(title: "Device") var deviceOption: DeviceOption
  @OptionGroup(title: "Output") var output: OutputOptions

  func validate() throws {
    guard continuation.resume == nil || output.out == nil else {
      throw ValidationError("--out is for a new run; a resumed one goes on in its folder")
    }
    guard continuation.resume == nil && continuation.initial == nil || text.tokenizer == nil else {
      throw ValidationError("--tokenizer is for a new run with fresh weights; this one has a tokenizer")
    }
    guard continuation.resume == nil && continuation.initial == nil || text.vocab == nil else {
      throw ValidationError("--vocab is for a new tokenizer; this run has one")
    }
  }

  private var builder: StudyBuilder {
    StudyBuilder(
      study: study,
      flags: models.givenFlags + optimizers.givenFlags + training.givenFlags + evaluation.givenFlags
        + checkpoints.givenFlags)
  }

  private var runner: StudyRunner { StudyRunner(output: output, device: deviceOption) }

  func run() throws {
    if let resume = continuation.resume { return try goOn(resume) }
    let folders = output.folders("compare")
    try OutputFolder.check(folders)
    let initial = try continuation.initial.map { (path: $0, contents: try ModelFolder.load($0)) }
    var recipe = try corpusRecipe()
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

  private func corpusRecipe() throws -> CorpusRecipe {
    let kind = try builder.preset.corpusKind
    if kind == .characters {
      for flag in text.givenFlags where flag.name != "data" {
        throw ValidationError("--\(flag.name) has no effect here: the text is one of characters; leave it out")
      }
    }
    guard text.valid == nil || text.data != nil else {
      throw ValidationError("--valid needs --data; the built-in corpus has its own split")
    }
    let here = kind == .characters && FileManager.default.fileExists(atPath: "input.txt") ? "input.txt" : nil
    return CorpusRecipe(
      kind, path: text.data ?? here, validationPath: text.valid, builtInSeed: try builder.seeds[0],
      tokenizer: text.tokenizer, vocabularySize: text.vocab ?? 4096)
  }

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

  private func goOn(_ folder: String) throws {
    let hold = try OutputFolder.hold(folder)
    var study = try Study(resuming: folder)
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
