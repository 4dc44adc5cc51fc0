internal import Foundation

/// Stories that cannot be read.
public struct StoryError: Error, Hashable, CustomStringConvertible {
  /// What is wrong, where, and what to do.
  public let description: String
}

/// Reads the stories of a file one after another, in memory for one story and one buffer.
///
/// Three forms: text whose stories end with `<|endoftext|>`, as TinyStories is distributed; JSON Lines
/// (`.jsonl`, `.ndjson`, or lines that begin with `{`) with a `text` or `story` field; and any other UTF-8 text, cut
/// into stories at the first blank line after 1,000 bytes, or where ``LongText`` does before 4,000.
public struct StoryReader: Sendable {
  public enum Form: Sendable, Hashable {
    case endOfTextMarks, jsonLines, plainText
  }

  public let path: String
  public let form: Form
  /// Bytes of the file.
  public let byteCount: Int

  static let mark = Array("<|endoftext|>".utf8)
  private static let shortestPlainStory = 1_000
  private static let longestPlainStory = 4_000
  private static let bufferSize = 1 << 22

  /// Looks at the file and tells its form.
  /// - Throws: when it is missing, a directory or a pipe, empty, or not readable.
  public init(_ path: String) throws(StoryError) {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw StoryError(description: "\(path): no such file")
    }
    guard !isDirectory.boolValue else {
      throw StoryError(description: "\(path): is a directory; name a file")
    }
    var status = stat()
    guard stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
      throw StoryError(
        description: "\(path): is not a regular file; stories are read more than once, so save them to one")
    }
    guard let handle = FileHandle(forReadingAtPath: path),
      let start = try? handle.read(upToCount: Self.bufferSize)
    else { throw StoryError(description: "\(path): the file is empty or not readable") }
    guard !start.isEmpty else { throw StoryError(description: "\(path): the file is empty") }
    self.path = path
    byteCount = Int((try? handle.seekToEnd()) ?? 0)
    let isJSON =
      path.hasSuffix(".jsonl") || path.hasSuffix(".ndjson")
      || start.first { !$0.isWhitespace } == UInt8(ascii: "{")
    form =
      isJSON
      ? .jsonLines : start.firstRange(of: Self.mark) != nil ? .endOfTextMarks : .plainText
  }

  /// Calls `body` with every story in order, and how many bytes of the file have been read so far.
  /// - Throws: for broken UTF-8 or NUL bytes (with the offset), malformed JSON (with the line), when there is
  ///   no story at all, or what `body` throws.
  public func forEachStory(_ body: (_ story: String, _ bytesRead: Int) throws -> Void) throws {
    guard let handle = FileHandle(forReadingAtPath: path) else {
      throw StoryError(description: "\(path): cannot be read; check its permissions")
    }
    var (rest, offset, line, count) = ([UInt8](), 0, 0, 0)
    var isAtEnd = false
    while !isAtEnd {
      let data = try handle.read(upToCount: Self.bufferSize) ?? Data()
      isAtEnd = data.isEmpty
      rest += data
      var start = 0
      while let piece = nextPiece(in: rest, from: start, isAtEnd: isAtEnd) {
        line += 1
        let bytes = rest[piece.content]
        if let story = try story(in: bytes, offset: offset + piece.content.lowerBound, line: line) {
          try body(story, offset + piece.end)
          count += 1
        }
        start = piece.end
      }
      rest.removeFirst(start)
      offset += start
    }
    if count == 0 {
      throw StoryError(description: "\(path): holds no story; every one is empty")
    }
  }

  // MARK: Cutting

  /// The next stretch that may be a story, and where the one after it begins.
  private func nextPiece(
    in bytes: [UInt8], from start: Int, isAtEnd: Bool
  ) -> (content: Range<Int>, end: Int)? {
    guard start < bytes.count else { return nil }
    let last = isAtEnd ? (content: start..<bytes.count, end: bytes.count) : nil
    switch form {
    case .jsonLines:
      guard let newline = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) else { return last }
      return (start..<newline, newline + 1)
    case .endOfTextMarks:
      guard let mark = firstIndex(of: Self.mark, in: bytes, from: start) else { return last }
      return (start..<mark, mark + Self.mark.count)
    case .plainText:
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
  private func story(in bytes: ArraySlice<UInt8>, offset: Int, line: Int) throws -> String? {
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
    case .jsonLines:
      guard let content = Self.trimmed(bytes) else { return nil }
      guard
        let object = try? JSONSerialization.jsonObject(with: Data(content.utf8)) as? [String: Any]
      else {
        throw StoryError(description: "\(path): line \(line) is not a JSON object")
      }
      guard let text = object["text"] as? String ?? object["story"] as? String else {
        throw StoryError(
          description: "\(path): line \(line) has no 'text' or 'story' that is a string")
      }
      guard !text.utf8.contains(0) else {
        throw StoryError(description: "\(path): line \(line) holds a NUL character")
      }
      return Self.trimmed(Array(text.utf8)[...])
    }
  }

  /// Without white space around; nil when nothing else is left.
  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String? {
    guard let first = bytes.firstIndex(where: { !$0.isWhitespace }),
      let last = bytes.lastIndex(where: { !$0.isWhitespace })
    else { return nil }
    return String(decoding: bytes[first...last], as: UTF8.self)
  }
}
