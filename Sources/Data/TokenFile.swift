internal import Foundation
internal import NanoPreconditions

/// A token file that cannot be used.
public struct TokenFileError: Error, Hashable, CustomStringConvertible {
  /// The file and what is wrong with it.
  public let description: String
}

/// Tokenized stories on disk, mapped into memory: a header, 16 or 32 bits a token, little-endian, and a checksum of both.
///
/// The header names the tokenizer, so that tokens of another one are never mistaken. A flipped bit anywhere is found.
public struct TokenFile: Sendable {
  /// What the header tells.
  public struct Header: Hashable, Sendable, Codable {
    /// The tokenizer's digest.
    public var tokenizer: String
    /// 2 or 4.
    public var bytesPerToken: Int
    /// Tokens of the file.
    public var tokenCount: Int
    /// Texts of the file.
    public var storyCount: Int
    /// Of the stories' raw text.
    public var characterCount: Int
    /// Bytes of the text that the tokens stand for.
    public var byteCount: Int
    /// Of the tokens' bytes: what was read, whatever file it came from.
    public var sha256: String
  }

  /// What the file says of itself.
  public let header: Header
  private let data: Data
  private let start: Int

  static let magic = Array("NKTOKEN2".utf8)
  /// Bytes of the header's text, with blanks at its end: it is written before it is known.
  static let headerLength = 512
  /// Bytes of the checksum at the end.
  private static let checksumLength = 8

  /// Maps a file.
  /// - Throws: when it is missing, damaged, truncated, or made by another tokenizer.
  /// - Complexity: reads all tokens once, to see that the tokenizer has them.
  public init(_ path: String, tokenizer: some StoryTokenizer) throws(TokenFileError) {
    func problem(_ text: String) -> TokenFileError { TokenFileError(description: "\(path): \(text)") }
    // The same file through both, also if another one takes its name meanwhile.
    guard let handle = FileHandle(forReadingAtPath: path),
      let data = try? Data(
        contentsOf: URL(fileURLWithPath: "/dev/fd/\(handle.fileDescriptor)"), options: .alwaysMapped)
    else { throw problem("no such file, or not readable") }
    guard data.count >= 16, Array(data.prefix(8)) == Self.magic else {
      let isAnother = data.starts(with: Self.magic.dropLast()) && !data.starts(with: Self.magic)
      throw problem(
        isAnother ? "a token file of another version; tokenize the text again" : "not a token file")
    }
    let length = data.word(at: 8)
    guard length <= UInt64(data.count - 16),
      let header = try? JSONDecoder().decode(Header.self, from: data[16..<16 + Int(length)]),
      header.bytesPerToken == 2 || header.bytesPerToken == 4, header.tokenCount >= 0
    else { throw problem("the header is damaged; delete the file and tokenize again") }
    let (bytes, overflow) = header.tokenCount.multipliedReportingOverflow(by: header.bytesPerToken)
    let found = data.count - 16 - Int(length) - Self.checksumLength
    guard !overflow, found == bytes else {
      throw problem(
        "\(found) bytes of tokens where the header tells of \(bytes); the file is truncated: delete it and tokenize "
          + "again")
    }
    guard header.tokenizer == tokenizer.digest else {
      throw problem("made by another tokenizer; tokenize the text again")
    }
    self.header = header
    self.data = data
    start = 16 + Int(length)
    guard let (largest, checksum) = readThrough(handle),
      checksum == data.word(at: data.count - Self.checksumLength)
    else {
      throw problem("the checksum differs; the file is damaged: delete it and tokenize again")
    }
    guard largest < tokenizer.vocabularySize else {
      throw problem(
        "a token \(largest) where the tokenizer has \(tokenizer.vocabularySize); the file is damaged: delete it "
          + "and tokenize again")
    }
  }

  /// The largest token, and the checksum of all of them and the header; nil where they cannot be read.
  ///
  /// Reads the file rather than its mapping, all of which would stay in memory.
  private func readThrough(_ handle: FileHandle) -> (largest: UInt32, checksum: UInt64)? {
    guard (try? handle.seek(toOffset: UInt64(start))) != nil else { return nil }
    var (largest, checksum, rest) = (UInt32(0), Checksum(), header.tokenCount * header.bytesPerToken)
    while rest > 0 {
      guard let part = try? handle.read(upToCount: min(rest, 1 << 20)), !part.isEmpty,
        part.count % header.bytesPerToken == 0
      else { return nil }
      part.withUnsafeBytes { bytes in
        forEachToken(bytes, of: header.bytesPerToken) { token in
          largest = max(largest, token)
          checksum.add(UInt64(token))
        }
      }
      rest -= part.count
    }
    for byte in data[..<start] { checksum.add(UInt64(byte)) }
    return (largest, checksum.value)
  }

  /// Tokens of the file.
  public var count: Int { header.tokenCount }

  /// The tokens of a range.
  public subscript(range: Range<Int>) -> [Int32] {
    checkPrecondition(
      range.lowerBound >= 0 && range.upperBound <= count, "TokenFile: \(range) of \(count) tokens")
    return data.withUnsafeBytes { bytes in
      switch header.bytesPerToken {
      case 2:
        range.map { index in
          Int32(
            UInt16(
              littleEndian: bytes.loadUnaligned(
                fromByteOffset: start + 2 * index, as: UInt16.self)))
        }
      default:
        range.map { index in
          Int32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: start + 4 * index, as: Int32.self))
        }
      }
    }
  }
}

/// Writes a ``TokenFile`` story by story; it is there when it is finished.
public final class TokenFileWriter {
  private let file: AtomicFile
  private var header: TokenFile.Header
  private let endOfStory: Int32
  private var checksum = Checksum()
  private var hash = SHA256()

  /// - Throws: when the file cannot be created.
  public init(
    _ path: String, tokenizer: some StoryTokenizer
  ) throws(FileWriteError) {
    endOfStory = tokenizer.endOfStory
    header = TokenFile.Header(
      tokenizer: tokenizer.digest,
      bytesPerToken: TokenFile.bytesPerToken(of: tokenizer), tokenCount: 0, storyCount: 0,
      characterCount: 0, byteCount: 0, sha256: "")
    file = try AtomicFile(path)
    try file.append(Data(count: 16 + TokenFile.headerLength))
  }

  /// Adds a story and the token that ends it.
  public func append(_ tokens: [Int32], of story: String) throws(FileWriteError) {
    try append(
      TokenizedStories(
        tokens: TokenFile.bytes(of: tokens + [endOfStory], each: header.bytesPerToken), storyCount: 1,
        characterCount: story.unicodeScalars.count, byteCount: story.utf8.count))
  }

  /// Adds stories.
  func append(_ stories: TokenizedStories) throws(FileWriteError) {
    stories.tokens.withUnsafeBytes { bytes in
      forEachToken(bytes, of: header.bytesPerToken) { checksum.add(UInt64($0)) }
      hash.update(bytes)
    }
    try file.append(stories.tokens)
    header.tokenCount += stories.tokens.count / header.bytesPerToken
    header.storyCount += stories.storyCount
    header.characterCount += stories.characterCount
    header.byteCount += stories.byteCount
  }

  /// Puts the file in place.
  public func finish() throws(FileWriteError) {
    header.sha256 = hash.finalized()
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // A structure of strings and integers always encodes, in less than the room there is.
    var json = try! encoder.encode(header)
    json.append(Data(repeating: UInt8(ascii: " "), count: TokenFile.headerLength - json.count))
    let start = Data(TokenFile.magic) + Data(littleEndian: UInt64(json.count)) + json
    for byte in start { checksum.add(UInt64(byte)) }
    try file.append(Data(littleEndian: checksum.value))
    try file.overwriteStart(with: start)
    try file.commit()
  }
}

extension TokenFile {
  /// 2, where that is enough for all tokens, else 4.
  static func bytesPerToken(of tokenizer: some StoryTokenizer) -> Int {
    tokenizer.vocabularySize <= 1 << 16 ? 2 : 4
  }

  /// Tokens in two or four bytes each, little-endian.
  static func bytes(of tokens: [Int32], each bytesPerToken: Int) -> [UInt8] {
    tokens.flatMap { token in
      (0..<bytesPerToken).map { UInt8(truncatingIfNeeded: UInt32(bitPattern: token) >> (8 * UInt32($0))) }
    }
  }
}

/// Tokens in two or four bytes each, little-endian.
private func forEachToken(_ bytes: UnsafeRawBufferPointer, of bytesPerToken: Int, _ body: (UInt32) -> Void) {
  if bytesPerToken == 2 {
    for offset in stride(from: 0, to: bytes.count, by: 2) {
      body(UInt32(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))))
    }
  } else {
    for offset in stride(from: 0, to: bytes.count, by: 4) {
      body(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
  }
}

/// FNV-1a of 64 bits over words: each step can be undone, so no change of a single word goes unnoticed.
private struct Checksum {
  private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  mutating func add(_ word: UInt64) { value = (value ^ word) &* 0x100_0000_01B3 }
}

extension Data {
  fileprivate init(littleEndian word: UInt64) {
    self.init((0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) })
  }

  fileprivate func word(at offset: Int) -> UInt64 {
    self[startIndex + offset..<startIndex + offset + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
