internal import Foundation

/// Stories that cannot be read.
public struct StoryError: Error, Hashable, CustomStringConvertible {
  /// What is wrong, where, and what to do.
  public let description: String
}

/// Reads the stories of a file one after another, in memory for one story and one buffer.
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
  private let start: Int
  /// What came through `path`, if that is a pipe.
  private let copy: PipeCopy?
  /// Where the bytes are.
  var contentPath: String { copy?.path ?? path }
  var isPipe: Bool { copy != nil }

  static let mark = Array("<|endoftext|>".utf8)
  private static let shortestPlainStory = 1_000
  private static let longestPlainStory = 4_000
  private static let bufferSize = 1 << 22

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
      let first = try? handle.read(upToCount: Self.bufferSize)
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

  /// Calls `body` with every story in order, and how many bytes of the file have been read so far.
  /// - Throws: for broken UTF-8 or NUL bytes (with the offset), malformed JSON (with the line or the story), when there
  ///   is no story at all, or what `body` throws.
  public func forEachStory(_ body: (_ story: String, _ bytesRead: Int) throws -> Void) throws {
    guard let handle = FileHandle(forReadingAtPath: contentPath) else {
      throw StoryError(description: "\(path): cannot be read; check its permissions")
    }
    try handle.seek(toOffset: UInt64(start))
    var (rest, offset, index, count) = ([UInt8](), start, 0, 0)
    var array = JSONArrayScanner()
    var isAtEnd = false
    while !isAtEnd {
      let data = try handle.read(upToCount: Self.bufferSize) ?? Data()
      isAtEnd = data.isEmpty
      rest += data
      var start = 0
      while let piece = try nextPiece(in: rest, from: start, isAtEnd: isAtEnd, &array, offset: offset) {
        index += 1
        let bytes = rest[piece.content]
        if let story = try story(in: bytes, offset: offset + piece.content.lowerBound, index: index) {
          try body(story, offset + piece.end)
          count += 1
        }
        start = piece.end
      }
      rest.removeFirst(start)
      array.didRemove(start)
      offset += start
    }
    if count == 0 {
      throw StoryError(description: "\(path): holds no story; every one is empty")
    }
  }

  // MARK: Cutting

  /// The next stretch that may be a story, and where the one after it begins.
  private func nextPiece(
    in bytes: [UInt8], from start: Int, isAtEnd: Bool, _ array: inout JSONArrayScanner, offset: Int
  ) throws -> (content: Range<Int>, end: Int)? {
    if form == .jsonArray {
      do throws(JSONArrayScanner.Problem) {
        return try array.nextElement(in: bytes, isAtEnd: isAtEnd)
      } catch {
        throw StoryError(
          description: "\(path): the JSON array is broken at byte \(offset + error.position): \(error.description)")
      }
    }
    guard start < bytes.count else { return nil }
    let last = isAtEnd ? (content: start..<bytes.count, end: bytes.count) : nil
    switch form {
    case .jsonLines:
      guard let newline = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) else { return last }
      return (start..<newline, newline + 1)
    case .endOfTextMarks:
      guard let mark = firstIndex(of: Self.mark, in: bytes, from: start) else { return last }
      return (start..<mark, mark + Self.mark.count)
    case .jsonArray, .plainText:
      guard isAtEnd || bytes.count - start > Self.longestPlainStory else { return nil }
      let end = Self.plainStoryEnd(in: bytes[start...])
      return (start..<end, end)
    }
  }

  private static func plainStoryEnd(in rest: ArraySlice<UInt8>) -> Int {
    let newline = UInt8(ascii: "\n")
    var search = rest.prefix(longestPlainStory).dropFirst(shortestPlainStory)
    while let first = search.firstIndex(of: newline) {
      search = search[(first + 1)...]
      // A blank line is an empty one, or holds a carriage return.
      let next = search.first == UInt8(ascii: "\r") ? search.dropFirst() : search
      if next.first == newline { return next.startIndex + 1 }
    }
    return LongText.firstPartEnd(in: rest, limit: longestPlainStory)
  }

  private func firstIndex(of pattern: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return nil }
      var index = start
      while index + pattern.count <= buffer.count,
        let found = memchr(base + index, Int32(pattern[0]), buffer.count - pattern.count + 1 - index)
      {
        index = UnsafeRawPointer(found) - base
        if memcmp(found, pattern, pattern.count) == 0 { return index }
        index += 1
      }
      return nil
    }
  }

  // MARK: Decoding

  /// The story in a stretch; nil when there is none.
  private func story(in bytes: ArraySlice<UInt8>, offset: Int, index: Int) throws -> String? {
    if let zero = bytes.firstIndex(of: 0) {
      throw StoryError(
        description: "\(path): a NUL byte at offset \(offset + zero - bytes.startIndex); this is not text")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      let invalid = TextFile.firstInvalidByte(in: bytes) ?? 0
      throw StoryError(
        description: "\(path): not UTF-8 text: invalid byte at offset \(offset + invalid); convert it "
          + "with iconv")
    }
    switch form {
    case .plainText: return bytes.allSatisfy(\.isWhitespace) ? nil : text
    case .endOfTextMarks: return Self.trimmed(bytes)
    case .jsonLines, .jsonArray:
      guard let content = Self.trimmed(bytes) else { return nil }
      return Self.trimmed(Array(try jsonStory(content, index: index).utf8)[...])
    }
  }

  /// The text of an object, or of a string in an array.
  private func jsonStory(_ content: String, index: Int) throws(StoryError) -> String {
    func problem(_ text: String) -> StoryError {
      StoryError(
        description: "\(path): \(form == .jsonArray ? "story \(index) of the array" : "line \(index)") \(text)")
    }
    let value = try? JSONSerialization.jsonObject(with: Data(content.utf8), options: .fragmentsAllowed)
    var text = form == .jsonArray ? value as? String : nil
    if text == nil {
      guard let object = value as? [String: Any] else {
        throw problem("is not a JSON object; a file of JSON is one array of stories, or one object a line")
      }
      text = object["text"] as? String ?? object["story"] as? String
    }
    guard let text else { throw problem("has no 'text' or 'story' that is a string") }
    guard !text.utf8.contains(0) else { throw problem("holds a NUL character") }
    return text
  }

  /// Without white space around; nil when nothing else is left.
  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String? {
    guard let first = bytes.firstIndex(where: { !$0.isWhitespace }),
      let last = bytes.lastIndex(where: { !$0.isWhitespace })
    else { return nil }
    return String(decoding: bytes[first...last], as: UTF8.self)
  }
}
