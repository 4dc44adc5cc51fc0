internal import Foundation

/// Reads the stories of a file block by block, in memory for a block and its longest story.
struct StoryBlockReader {
  private static let blockSize = 1 << 20
  private static let shortestPlainStory = 1_000
  private static let longestPlainStory = 4_000

  private let reader: StoryReader
  private let handle: FileHandle
  private var isAtEnd = false
  /// The bytes behind the last block, where in the file they lie, and the number of the stretch that they begin with.
  private var (rest, offset, index): ([UInt8], Int, Int)
  private var array = JSONArrayScanner()

  /// - Throws: when the file cannot be opened any more.
  init(_ reader: StoryReader) throws(StoryError) {
    guard let handle = FileHandle(forReadingAtPath: reader.contentPath) else {
      throw StoryError(description: "\(reader.path): cannot be read; check its permissions")
    }
    self.reader = reader
    self.handle = handle
    (rest, offset, index) = ([], reader.start, 1)
    lseek(handle.fileDescriptor, off_t(reader.start), SEEK_SET)
  }

  /// The next block, nil behind the last one.
  /// - Throws: when the file cannot be read, or its JSON array is broken (with the offset).
  mutating func next() throws(StoryError) -> StoryBlock? {
    guard !isAtEnd else { return nil }
    // Without the end of a story in it, a block is read on, twice as far each time.
    var (bytes, stretches, end) = (rest, [Range<Int>](), 0)
    var searched = 0
    repeat {
      try read(max(Self.blockSize, bytes.count), into: &bytes)
      while let piece = try nextPiece(in: bytes, from: end, searched: max(searched, end)) {
        stretches.append(piece.content)
        end = piece.end
      }
      searched = max(end, bytes.count - StoryReader.mark.count)
    } while stretches.isEmpty && !isAtEnd
    rest = Array(bytes[end...])
    array.didRemove(end)
    defer { (offset, index) = (offset + end, index + stretches.count) }
    return StoryBlock(
      path: reader.path, form: reader.form, bytes: bytes, stretches: stretches, firstIndex: index, offset: offset,
      end: offset + end)
  }

  /// Adds so many bytes, or as many as there are.
  private mutating func read(_ count: Int, into bytes: inout [UInt8]) throws(StoryError) {
    var problem: Int32?
    let old = bytes
    bytes = [UInt8](unsafeUninitializedCapacity: old.count + count) { buffer, filled in
      filled = buffer.update(fromContentsOf: old)
      while filled < old.count + count, !isAtEnd, problem == nil {
        let found = Foundation.read(handle.fileDescriptor, buffer.baseAddress! + filled, old.count + count - filled)
        if found > 0 {
          filled += found
        } else if found == 0 {
          isAtEnd = true
        } else if errno != EINTR {
          problem = errno
        }
      }
    }
    if let problem {
      throw StoryError(description: "\(reader.path): cannot be read: \(String(cString: strerror(problem)))")
    }
  }

  /// The next stretch that may be a story, and where the one after it begins. No end of it lies before `searched`.
  private mutating func nextPiece(
    in bytes: [UInt8], from start: Int, searched: Int
  ) throws(StoryError) -> (content: Range<Int>, end: Int)? {
    if reader.form == .jsonArray {
      do throws(JSONArrayScanner.Problem) {
        return try array.nextElement(in: bytes, isAtEnd: isAtEnd)
      } catch {
        throw StoryError(
          description: "\(reader.path): the JSON array is broken at byte \(offset + error.position): "
            + error.description)
      }
    }
    guard start < bytes.count else { return nil }
    let last = isAtEnd ? (content: start..<bytes.count, end: bytes.count) : nil
    switch reader.form {
    case .jsonLines:
      guard let newline = Self.firstIndex(of: [UInt8(ascii: "\n")], in: bytes, from: searched) else { return last }
      return (start..<newline, newline + 1)
    case .endOfTextMarks:
      guard let mark = Self.firstIndex(of: StoryReader.mark, in: bytes, from: searched) else { return last }
      return (start..<mark, mark + StoryReader.mark.count)
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

  private static func firstIndex(of pattern: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
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
}
