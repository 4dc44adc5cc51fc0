public import Foundation

/// Where stories come from, and which of them validate.
public struct StorySource: Sendable {
  private enum Content: Sendable {
    case files(training: StoryReader, validation: StoryReader?)
    case memory([String])
  }

  private let content: Content
  /// For people: a path, or `built-in`.
  public let name: String
  /// What the files were recognized as, for people.
  public var form: String {
    switch content {
    case .files(let training, let validation):
      let forms = [training.form, validation?.form ?? training.form]
      return forms[0] == forms[1]
        ? forms[0].rawValue : "\(forms[0].rawValue), to validate \(forms[1].rawValue)"
    case .memory: return "stories of a grammar"
    }
  }

  /// A file of stories, or a folder with a training file as TinyStories is distributed
  /// (`TinyStoriesV2-GPT4-train.txt`, `TinyStories-train.txt` or `train.txt`, and the like with `valid`).
  ///
  /// Without a validation file one story in ten validates, from the second on, so that two are enough; a
  /// story is never cut.
  /// - Throws: when there is no such file, or it is not readable.
  public init(_ path: String, validation: String? = nil) throws(StoryError) {
    var isDirectory: ObjCBool = false
    _ = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    var (training, validation) = (path, validation)
    if isDirectory.boolValue {
      guard let found = Self.distributedFile("train", in: path) else {
        throw StoryError(description: "\(path): \(Self.reasonWithoutFile(in: path))")
      }
      training = found
      validation = validation ?? Self.distributedFile("valid", in: path)
    }
    name = path
    content = .files(
      training: try StoryReader(training),
      validation: try validation.map { path throws(StoryError) in try StoryReader(path) })
  }

  /// The built-in corpus: small stories from a grammar.
  public init(builtInWith generator: inout some RandomNumberGenerator) {
    name = "built-in"
    let corpus = BuiltInCorpus(characters: 4_000_000, using: &generator)
    content = .memory(corpus.text.split(separator: "\n\n").map(String.init))
  }

  private static func distributedNames(_ split: String) -> [String] {
    ["TinyStoriesV2-GPT4-\(split).txt", "TinyStories-\(split).txt", "\(split).txt"]
  }

  private static func distributedFile(_ split: String, in folder: String) -> String? {
    distributedNames(split).map { "\(folder)/\($0)" }.first {
      FileManager.default.fileExists(atPath: $0)
    }
  }

  private static func reasonWithoutFile(in folder: String) -> String {
    // The Hub keeps a data set's files in `data`.
    for part in [folder, "\(folder)/data"] {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: part)) ?? []
      guard names.contains(where: { $0.hasSuffix(".parquet") }) else { continue }
      let pattern = names.contains { $0.hasPrefix("train") } ? "train*.parquet" : "*.parquet"
      return "holds Parquet files; \(FileForm.parquetAdvice(for: "'\(part)'/\(pattern)"))"
    }
    let names = distributedNames("train").joined(separator: ", ")
    return "no TinyStories file here; a folder needs \(names); or name a file"
  }

  /// Bytes to read for a split, for progress.
  public func byteCount(of split: Split) -> Int {
    switch content {
    case .files(let training, let validation):
      split == .validation ? (validation ?? training).byteCount : training.byteCount
    case .memory(let stories): stories.reduce(0) { $0 + $1.utf8.count }
    }
  }

  /// Calls `body` with every story of a split in order, and how many bytes have been read. Threads read ahead.
  /// - Throws: for broken UTF-8 or NUL bytes (with the offset), malformed JSON (with the line or the story), when there is
  ///   no story at all, or what `body` throws.
  public func forEachStory(
    of split: Split, threadCount: Int = ProcessInfo.processInfo.activeProcessorCount,
    _ body: (_ story: String, _ bytesRead: Int) throws -> Void
  ) throws {
    try withoutActuallyEscaping(body) { body in
      try forEachBlock(of: split, threadCount: threadCount) {
        { texts in texts }
      } take: { texts, bytesRead in
        for text in texts.strings { try body(text, bytesRead) }
      }
    }
  }

  /// Calls `take` with what workers return for the stories of a split, block after block, and how many bytes have been read.
  ///
  /// Each thread makes a worker of its own; one thread at a time takes.
  /// - Throws: as ``forEachStory(of:_:)``, and what worker and `take` throw.
  func forEachBlock<Output>(
    of split: Split, threadCount: Int,
    makeWorker: @escaping () -> (StoryTexts) throws -> Output,
    take: @escaping (_ output: Output, _ bytesRead: Int) throws -> Void
  ) throws {
    let isShared = if case .files(_, _?) = content { false } else { true }
    let blocks = OrderedBlocks(threadCount: threadCount, nextBlock: try blocks(of: split)) {
      let work = makeWorker()
      return { texts, storiesBefore in
        var texts = texts
        if isShared {
          texts.stories = texts.stories.enumerated().filter {
            ((storiesBefore + $0.offset) % 10 == 1) == (split == .validation)
          }.map(\.element)
        }
        return try work(texts)
      }
    } take: {
      try take($0, $1)
    }
    if try blocks.run() == 0 {
      throw StoryError(description: "\(name): holds no story; every one is empty")
    }
  }

  /// Gives the blocks one after another that hold the stories of a split, and the others where it has no file of its own.
  private func blocks(of split: Split) throws -> () throws -> StoryBlock? {
    switch content {
    case .files(let training, let validation):
      var reader = try StoryBlockReader(split == .validation ? validation ?? training : training)
      return { try reader.next() }
    case .memory(let stories):
      var (rest, end) = (stories[...], 0)
      return {
        guard !rest.isEmpty else { return nil }
        var (bytes, stretches): ([UInt8], [Range<Int>]) = ([], [])
        for story in rest.prefix(1_000) {
          stretches.append(bytes.count..<bytes.count + story.utf8.count)
          bytes += story.utf8
        }
        defer {
          rest = rest.dropFirst(stretches.count)
          end += bytes.count
        }
        return StoryBlock(
          path: "built-in", form: .plainText, bytes: bytes, stretches: stretches, firstIndex: 1, offset: end,
          end: end + bytes.count)
      }
    }
  }

  /// Changes when a file does: sizes, times and both ends of every file, or the stories themselves.
  var fingerprint: String {
    switch content {
    case .files(let training, let validation):
      return [training, validation].compactMap { $0 }.map(Self.fingerprint).joined(separator: "+")
    case .memory(let stories):
      var hash = SHA256()
      for story in stories { hash.update(Array(story.utf8) + [0]) }
      return hash.finalized()
    }
  }

  /// A file that is written, or only given back its old time, has a new time of change. What came through a pipe is known by
  /// all of it.
  private static func fingerprint(_ reader: StoryReader) -> String {
    var hash = SHA256()
    if reader.isPipe {
      hash.update(Array("\(reader.byteCount) \(reader.form)".utf8))
      if let handle = FileHandle(forReadingAtPath: reader.contentPath) {
        while let data = try? handle.read(upToCount: 1 << 20), !data.isEmpty { hash.update(Array(data)) }
      }
      return hash.finalized()
    }
    var status = stat()
    _ = stat(reader.path, &status)
    #if canImport(Darwin)
      let times = [status.st_mtimespec, status.st_ctimespec]
    #else
      let times = [status.st_mtim, status.st_ctim]
    #endif
    let stamps = times.map { "\($0.tv_sec).\($0.tv_nsec)" }
    hash.update(Array("\(reader.byteCount) \(stamps) \(reader.form)".utf8))
    if let handle = FileHandle(forReadingAtPath: reader.path) {
      let end = 1 << 20
      hash.update(Array((try? handle.read(upToCount: end)) ?? Data()))
      try? handle.seek(toOffset: UInt64(max(0, reader.byteCount - end)))
      hash.update(Array((try? handle.read(upToCount: end)) ?? Data()))
    }
    return hash.finalized()
  }
}
