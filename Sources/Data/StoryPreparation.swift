public import Foundation

/// Makes tokenizer and token files from stories, and keeps them for the next time.
public struct StoryPreparation: Sendable {
  /// What is being done.
  public enum Stage: String, Sendable {
    case waiting = "waiting for another process that prepares stories"
    case trainingTokenizer = "training the tokenizer"
    case tokenizing = "tokenizing"
  }

  /// Where the stories come from.
  public let source: StorySource
  /// Where what was prepared is kept.
  public let cacheFolder: String
  /// Threads that read and tokenize; what comes of it is the same on any number of them.
  public let threadCount: Int
  /// Told the stage and its share done, now and then.
  public let progress: @Sendable (Stage, Double) -> Void

  /// About as much text as a tokenizer learns from; more adds time and little else.
  private static let tokenizerBytes = 24_000_000

  /// - Parameters:
  ///   - cacheFolder: nil for the user's cache (`NANO_KIMI_CACHE`, else `XDG_CACHE_HOME`/nano-kimi,
  ///     else ~/.cache/nano-kimi).
  ///   - threadCount: by default one for each core.
  public init(
    _ source: StorySource, cacheFolder: String? = nil,
    threadCount: Int = ProcessInfo.processInfo.activeProcessorCount,
    progress: @escaping @Sendable (Stage, Double) -> Void = { _, _ in }
  ) {
    self.source = source
    self.cacheFolder = cacheFolder ?? Self.defaultCacheFolder
    self.threadCount = threadCount
    self.progress = progress
  }

  private static var defaultCacheFolder: String {
    let environment = ProcessInfo.processInfo.environment
    if let folder = environment["NANO_KIMI_CACHE"], !folder.isEmpty { return folder }
    if let folder = environment["XDG_CACHE_HOME"], !folder.isEmpty { return folder + "/nano-kimi" }
    return NSHomeDirectory() + "/.cache/nano-kimi"
  }

  /// The tokenizer for these stories: read from `model` if given, else trained on the training split (or
  /// taken from the cache, if that was done before).
  public func tokenizer(model: String?, vocabularySize: Int) throws -> SentencePieceTokenizer {
    if let model {
      guard let data = FileHandle.contents(ofFile: model) else {
        throw TokenizerError(description: "\(model): no such file, or not readable")
      }
      do {
        return try SentencePieceTokenizer(model: data)
      } catch {
        throw TokenizerError(description: "\(model): \(error)")
      }
    }
    let path = try cached("tokenizer \(vocabularySize) \(Self.tokenizerBytes)", extension: "tokenizer")
    return try foundOrMade {
      Self.cachedTokenizer(path)
    } orMade: {
      progress(.trainingTokenizer, 0)
      let tokenizer = try SentencePieceTokenizer(
        trainingOn: try tokenizerSample(), vocabularySize: vocabularySize)
      try AtomicFile.write(Data(tokenizer.digest.utf8) + tokenizer.model, to: path)
      progress(.trainingTokenizer, 1)
      return tokenizer
    }
  }

  /// A tokenizer behind its hash; nil when there is none, or a damaged one.
  private static func cachedTokenizer(_ path: String) -> SentencePieceTokenizer? {
    let digestLength = 64
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    let model = Data(data.dropFirst(digestLength))
    guard data.prefix(digestLength).elementsEqual(SHA256.hexadecimal(of: model).utf8) else { return nil }
    return try? SentencePieceTokenizer(model: model)
  }

  /// Stories from all over the training split.
  private func tokenizerSample() throws -> [String] {
    let step = max(1, source.byteCount(of: .training) / Self.tokenizerBytes)
    var (index, sample) = (0, [String]())
    try source.forEachStory(of: .training, threadCount: threadCount) { story, _ in
      if index % step == 0 { sample.append(story) }
      index += 1
    }
    return sample
  }

  /// The token file of a split, made if the cache does not have it.
  /// - Throws: when the split has no story, or a file cannot be read or written.
  public func tokens(
    of split: Split, tokenizer: some StoryTokenizer
  ) throws -> TokenFile {
    let path = try cached(
      "tokens \(split.rawValue) \(tokenizer.digest)", extension: "tokens")
    let file = try foundOrMade {
      try? TokenFile(path, tokenizer: tokenizer)
    } orMade: {
      try writeTokens(of: split, tokenizer: tokenizer, to: path)
      return try TokenFile(path, tokenizer: tokenizer)
    }
    guard file.header.storyCount > 0 else {
      throw StoryError(
        description: "\(source.name): no story for \(split.rawValue); name a file for validation, or give two "
          + "stories or more")
    }
    return file
  }

  /// Tokenizes a split into a file.
  public func writeTokens(
    of split: Split, tokenizer: some StoryTokenizer, to path: String
  ) throws {
    let writer = try TokenFileWriter(path, tokenizer: tokenizer)
    let total = Double(max(1, source.byteCount(of: split)))
    let wordEnds = tokenizer.wordEnds
    try source.forEachBlock(of: split, threadCount: threadCount) {
      let words = WordTokenizer(tokenizer, wordEnds: wordEnds)
      return words.tokenized
    } take: { stories, bytesRead in
      try writer.append(stories)
      if Double(bytesRead) < total { progress(.tokenizing, Double(bytesRead) / total) }
    }
    try writer.finish()
    progress(.tokenizing, 1)
  }

  /// What is in the cache, or else made and put there, by one process at a time.
  private func foundOrMade<Result>(
    _ find: () throws -> Result?, orMade make: () throws -> Result
  ) throws -> Result {
    if let found = try find() { return found }
    var lock = FolderLock(cacheFolder)
    if lock == nil {
      progress(.waiting, 0)
      lock = FolderLock(cacheFolder, waits: true)
    }
    return try withExtendedLifetime(lock) { try find() ?? make() }
  }

  /// The place of something that follows from the stories and `settings`.
  private func cached(_ settings: String, extension suffix: String) throws -> String {
    do {
      try FileManager.default.createDirectory(
        atPath: cacheFolder, withIntermediateDirectories: true)
    } catch {
      throw StoryError(
        description: "\(cacheFolder): cannot be created; set NANO_KIMI_CACHE to a folder that can")
    }
    let key = SHA256.hexadecimal(of: "format 5 \(source.fingerprint) \(settings)".utf8)
    return "\(cacheFolder)/\(key.prefix(32)).\(suffix)"
  }
}
