internal import Foundation
public import NanoData
internal import NanoTensor

/// How a corpus is made: which text, and of what tokens.
public struct CorpusRecipe: Hashable, Sendable, Codable {
  /// What a text is, which decides what its tokens are.
  public enum Kind: String, CaseIterable, Hashable, Sendable, Codable {
    /// One text; a token is a character.
    case characters
    /// Stories, which are never cut apart; a token is a piece of SentencePiece's.
    case stories
  }

  /// Which kind of text it is.
  public var kind: Kind
  /// A file, or for stories also a folder; nil for the built-in corpus.
  public var path: String?
  /// Stories to validate on, where they are in a file of their own.
  public var validationPath: String?
  /// What the built-in corpus is made from.
  public var builtInSeed: UInt64
  /// Characters that the text must fit, as a model knows them; nil for the text's own.
  public var vocabulary: CharacterTokenizer?
  /// A SentencePiece model; nil for one that is trained on the stories.
  public var tokenizer: String?
  /// Pieces of the tokenizer that is trained.
  public var vocabularySize: Int
  /// What the text was when it was first read; another one is then refused.
  public var content: Content?
  /// Whether the last tenth of the training split validates, and the validation split is left alone: for choosing settings.
  public var keepsValidationSplitUnseen: Bool?

  /// SHA-256 of what trains and of what validates: of characters in UTF-8, of stories as tokens.
  public struct Content: Hashable, Sendable, Codable {
    /// The two hashes, each of 64 hexadecimal digits.
    public var training, validation: String

    init(_ record: DataRecord) {
      training = record.trainingSHA256
      validation = record.validationSHA256
    }

    /// Which part is another, and how the hashes of both begin.
    func difference(from other: Content) -> String {
      let isTraining = training != other.training
      let (before, now) = isTraining ? (training, other.training) : (validation, other.validation)
      let part = isTraining ? "trains" : "validates"
      return "SHA-256 of what \(part) \(before.prefix(12))… there, \(now.prefix(12))… now"
    }
  }

  /// A recipe that takes any text of its kind: what the text must be is only said by ``content``.
  public init(
    _ kind: Kind, path: String? = nil, validationPath: String? = nil, builtInSeed: UInt64 = 1337,
    tokenizer: String? = nil, vocabularySize: Int = 4096
  ) {
    self.kind = kind
    self.path = path
    self.validationPath = validationPath
    self.builtInSeed = builtInSeed
    self.tokenizer = tokenizer
    self.vocabularySize = vocabularySize
  }

  /// Reads the text and makes its tokens.
  /// - Parameter progress: told how far the preparation of stories is.
  /// - Throws: when a file is not there or not such a text, or when it is not what ``content`` says.
  public func makeCorpus(
    progress: @escaping @Sendable (StoryPreparation.Stage, Double) -> Void = { _, _ in }
  ) throws -> Corpus {
    if content != nil { try requireFiles() }
    let corpus = kind == .characters ? try makeCharacters() : try makeStories(progress: progress)
    if let content, content != Content(corpus.record) {
      throw ExperimentError(
        "\(corpus.record.source): holds another text than the run was begun with "
          + "(\(content.difference(from: Content(corpus.record))))",
        advice: .otherText)
    }
    return keepsValidationSplitUnseen == true ? corpus.withoutValidationSplit : corpus
  }

  /// Throws when the text is not where it was.
  public func requireFiles() throws {
    for path in [path, validationPath].compactMap({ $0 }) {
      var status = stat()
      guard stat(path, &status) == 0 else {
        throw ExperimentError("\(path): no such file, where the text was", advice: .otherText)
      }
      guard [S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) else {
        throw ExperimentError("\(path): the text came through a pipe and is not there any more", advice: .otherText)
      }
    }
  }

  // MARK: Characters

  private func makeCharacters() throws -> Corpus {
    guard let path else {
      var generator = RandomGenerator(seed: builtInSeed).split(0)
      let builtIn = BuiltInCorpus(using: &generator)
      return try makeCharacters(builtIn.text, source: "built-in", form: "stories of a grammar") { start in
        builtIn.negativeLogLikelihood(fromCharacter: start)
      }
    }
    let text = try TextFile.read(path)
    let form = TextFile.syntax(of: text, path: path).map { "text (its \($0) read as it stands)" } ?? "text"
    return try makeCharacters(text, source: path, form: form)
  }

  private func makeCharacters(
    _ text: String, source: String, form: String, optimum: ((_ validationStart: Int) -> Double)? = nil
  ) throws -> Corpus {
    let tokenizer = vocabulary ?? CharacterTokenizer(vocabularyOf: text)
    let tokens = try ExperimentError.naming(source) { try tokenizer.encode(text) }
    let trainingCount = Corpus.trainingCount(of: tokens.count)
    let scalars = text.unicodeScalars
    let cut = scalars.index(scalars.startIndex, offsetBy: trainingCount)
    let record = record(
      source: source, form: form, split: "the last tenth", training: SHA256.hexadecimal(of: text[..<cut].utf8),
      validation: SHA256.hexadecimal(of: text[cut...].utf8))
    return Corpus(
      characters: tokens, of: text, tokenizer: tokenizer, record: record, optimumNLL: optimum?(trainingCount))
  }

  private func record(
    source: String, form: String, split: String, training: String, validation: String
  ) -> DataRecord {
    DataRecord(
      source: source, path: path.map(absolutePath), validationPath: validationPath.map(absolutePath),
      builtInSeed: path == nil ? builtInSeed : nil, form: form, split: split, trainingSHA256: training,
      validationSHA256: validation)
  }

  // MARK: Stories

  /// Where the stories are.
  public var storySource: StorySource {
    get throws {
      if let path { return try StorySource(path, validation: validationPath) }
      guard validationPath == nil else {
        throw ExperimentError("the built-in corpus has its own split; name stories to train on as well")
      }
      var generator = RandomGenerator(seed: builtInSeed).split(0)
      return StorySource(builtInWith: &generator)
    }
  }

  private func makeStories(progress: @escaping @Sendable (StoryPreparation.Stage, Double) -> Void) throws -> Corpus {
    let source = try storySource
    let preparation = StoryPreparation(source, threadCount: WorkerPool.shared.threadCount, progress: progress)
    let pieces = try preparation.tokenizer(model: tokenizer, vocabularySize: vocabularySize)
    let training = try preparation.tokens(of: .training, tokenizer: pieces)
    let validation = try preparation.tokens(of: .validation, tokenizer: pieces)
    let record = record(
      source: source.name, form: source.form,
      split: validationPath == nil ? "the folder's own, else one story in ten" : "a file of its own",
      training: training.header.sha256, validation: validation.header.sha256)
    return Corpus(
      tokenizer: pieces, training: TokenizedText(training, endOfStory: pieces.endOfStory),
      validation: TokenizedText(validation, endOfStory: pieces.endOfStory), record: record)
  }
}

extension CorpusRecipe {
  /// The text that a model's folder tells of; nil if it does not say where that was.
  public init(_ record: DataRecord, kind: Kind) {
    self.init(
      kind, path: record.path, validationPath: record.validationPath, builtInSeed: record.builtInSeed ?? 0)
  }

  /// With the whole paths, and bound to the text that was read.
  public func bound(to record: DataRecord) -> CorpusRecipe {
    var recipe = self
    recipe.path = path.map(absolutePath)
    recipe.validationPath = validationPath.map(absolutePath)
    recipe.tokenizer = tokenizer.map(absolutePath)
    recipe.content = Content(record)
    return recipe
  }
}

/// A path that means the same in every working directory.
package func absolutePath(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }
