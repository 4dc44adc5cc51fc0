internal import Foundation

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
        throw StoryError(
          description: "\(path): no TinyStories file here; a folder needs "
            + "\(Self.distributedNames("train").joined(separator: ", ")); or name a file")
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

  /// Bytes to read for a split, for progress.
  public func byteCount(of split: Split) -> Int {
    switch content {
    case .files(let training, let validation):
      split == .validation ? (validation ?? training).byteCount : training.byteCount
    case .memory(let stories): stories.reduce(0) { $0 + $1.utf8.count }
    }
  }

  /// Calls `body` with every story of a split, and how many bytes have been read.
  public func forEachStory(
    of split: Split, _ body: (_ story: String, _ bytesRead: Int) throws -> Void
  ) throws {
    func belongs(_ index: Int) -> Bool { (index % 10 == 1) == (split == .validation) }
    var index = 0
    switch content {
    case .files(let training, nil):
      try training.forEachStory { story, bytes in
        if belongs(index) { try body(story, bytes) }
        index += 1
      }
    case .files(let training, let validation?):
      try (split == .training ? training : validation).forEachStory(body)
    case .memory(let stories):
      var bytes = 0
      for story in stories {
        bytes += story.utf8.count
        if belongs(index) { try body(story, bytes) }
        index += 1
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
