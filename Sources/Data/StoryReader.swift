internal import Foundation

/// Stories that cannot be read.
public struct StoryError: Error, Hashable, CustomStringConvertible {
  /// What is wrong, where, and what to do.
  public let description: String
}

/// A file of stories, and how they are told apart in it.
///
/// Four forms: text whose stories end with `<|endoftext|>`, as TinyStories is distributed; JSON Lines (`.jsonl`,
/// `.ndjson`, or lines that begin with `{`) with a `text` or `story` field; a JSON array of such objects, or of strings;
/// and any other UTF-8 text, cut into stories at the first blank line after 1,000 bytes, or where ``LongText`` does
/// before 4,000. A byte-order mark is skipped. Tables (CSV, Parquet) and packed files are refused.
public struct StoryReader: Sendable {
  /// How stories are told apart in a file.
  public enum Form: String, Sendable, Hashable, Codable {
    case endOfTextMarks = "text with <|endoftext|> after each story"
    case jsonLines = "JSON Lines"
    case jsonArray = "a JSON array"
    case plainText = "plain text, cut into stories"
  }

  /// The file.
  public let path: String
  /// How stories are told apart in it.
  public let form: Form
  /// Bytes of the file.
  public let byteCount: Int
  /// Where the text begins: behind a byte-order mark.
  let start: Int
  /// What came through `path`, if that is a pipe.
  private let copy: PipeCopy?
  /// Where the bytes are.
  var contentPath: String { copy?.path ?? path }
  var isPipe: Bool { copy != nil }

  static let mark = Array("<|endoftext|>".utf8)
  /// Bytes that tell the form.
  private static let sampleSize = 1 << 22

  /// Looks at the file and tells its form. A pipe is read to its end.
  /// - Throws: when it is missing, a directory or a device, empty, not readable, or of a form that is not read.
  public init(_ path: String) throws(StoryError) {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw StoryError(description: "\(path): no such file")
    }
    guard !isDirectory.boolValue else {
      throw StoryError(description: "\(path): is a directory; name a file")
    }
    var status = stat()
    let kind = stat(path, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
    guard kind == S_IFREG || kind == S_IFIFO else {
      throw StoryError(description: "\(path): is neither a file nor a pipe; save the stories to a file and name that")
    }
    copy = kind == S_IFIFO ? try PipeCopy(path) : nil
    guard let handle = FileHandle(forReadingAtPath: copy?.path ?? path),
      let first = try? handle.read(upToCount: Self.sampleSize)
    else { throw StoryError(description: "\(path): the file is empty or not readable") }
    guard !first.isEmpty else { throw StoryError(description: "\(path): the file is empty") }
    self.path = path
    byteCount = Int((try? handle.seekToEnd()) ?? 0)
    start = TextFile.byteOrderMarkLength(of: first)
    do throws(TextFileError) {
      form = try Self.form(of: first.dropFirst(start), path: path)
    } catch {
      throw StoryError(description: error.description)
    }
  }

  private static func form(of text: Data, path: String) throws(TextFileError) -> Form {
    try FileForm.requireText(text, path: path)
    let name = path.lowercased()
    switch FileForm.jsonStart(of: text) {
    case .array: return .jsonArray
    case .object: return .jsonLines
    case nil where name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson"): return .jsonLines
    case nil: break
    }
    if name.hasSuffix(".json") {
      throw TextFileError(
        description: "\(path): neither a JSON array nor JSON Lines; write one array of stories, or one object with a "
          + "'text' a line")
    }
    if text.firstRange(of: mark) != nil { return .endOfTextMarks }
    try FileForm.requireNoTable(text, path: path)
    return .plainText
  }
}
