internal import Foundation
internal import NanoPreconditions

/// A token file that cannot be used.
public struct TokenFileError: Error, Hashable, CustomStringConvertible {
  public let description: String
}

/// Tokenized stories on disk, mapped into memory: a header, then 16 or 32 bits a token, little-endian.
///
/// The header names the tokenizer, so that tokens of another one are never mistaken.
public struct TokenFile: Sendable {
  /// What the header tells.
  public struct Header: Hashable, Sendable, Codable {
    /// The tokenizer's digest.
    public var tokenizer: String
    public var bytesPerToken: Int
    public var tokenCount: Int
    public var storyCount: Int
    /// Of the stories' raw text.
    public var characterCount: Int
    public var byteCount: Int
  }

  public let header: Header
  private let data: Data
  private let start: Int

  static let magic = Array("NKTOKEN1".utf8)

  /// Maps a file.
  /// - Throws: when it is missing, damaged, truncated, or made by another tokenizer.
  /// - Complexity: reads all tokens once, to see that the tokenizer has them.
  public init(_ path: String, tokenizer: some StoryTokenizer) throws(TokenFileError) {
    func problem(_ text: String) -> TokenFileError { TokenFileError(description: "\(path): \(text)") }
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) else {
      throw problem("no such file, or not readable")
    }
    guard data.count >= 16, Array(data.prefix(8)) == Self.magic else {
      throw problem("not a token file")
    }
    let length = data[8..<16].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(data.count - 16),
      let header = try? JSONDecoder().decode(Header.self, from: data[16..<16 + Int(length)]),
      header.bytesPerToken == 2 || header.bytesPerToken == 4, header.tokenCount >= 0
    else { throw problem("the header is damaged; delete the file and tokenize again") }
    let (bytes, overflow) = header.tokenCount.multipliedReportingOverflow(by: header.bytesPerToken)
    guard !overflow, data.count - 16 - Int(length) == bytes else {
      throw problem(
        "\(data.count - 16 - Int(length)) bytes of tokens where the header tells of \(bytes); the file is "
          + "truncated: delete it and tokenize again")
    }
    guard header.tokenizer == tokenizer.digest else {
      throw problem("made by another tokenizer; tokenize the text again")
    }
    self.header = header
    self.data = data
    start = 16 + Int(length)
    let largest = largestToken
    guard largest < tokenizer.vocabularySize else {
      throw problem(
        "a token \(largest) where the tokenizer has \(tokenizer.vocabularySize); the file is damaged: delete it "
          + "and tokenize again")
    }
  }

  private var largestToken: UInt32 {
    data.withUnsafeBytes { bytes in
      func largest<Token: FixedWidthInteger>(_: Token.Type) -> Token {
        var largest: Token = 0
        for offset in stride(from: start, to: bytes.count, by: MemoryLayout<Token>.size) {
          largest = max(largest, Token(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Token.self)))
        }
        return largest
      }
      return header.bytesPerToken == 2 ? UInt32(largest(UInt16.self)) : largest(UInt32.self)
    }
  }

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

/// Writes a ``TokenFile`` story by story: tokens aside, the whole put in place at the end.
public final class TokenFileWriter {
  private let path: String
  private let body: Int32
  private var header: TokenFile.Header
  private let endOfStory: Int32

  /// - Throws: when the file cannot be created.
  public init(
    _ path: String, tokenizer: some StoryTokenizer
  ) throws(FileWriteError) {
    self.path = path
    endOfStory = tokenizer.endOfStory
    header = TokenFile.Header(
      tokenizer: tokenizer.digest,
      bytesPerToken: tokenizer.vocabularySize <= 1 << 16 ? 2 : 4, tokenCount: 0, storyCount: 0,
      characterCount: 0, byteCount: 0)
    body = open(path + ".tokens", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard body >= 0 else { throw FileWriteError(path, "cannot be created") }
    unlink(path + ".tokens")  // goes with this process, however that ends
  }

  deinit { close(body) }

  /// Adds a story and the token that ends it.
  public func append(_ tokens: [Int32], of story: String) throws(FileWriteError) {
    var bytes = Data(capacity: (tokens.count + 1) * header.bytesPerToken)
    for token in tokens + [endOfStory] {
      for index in 0..<header.bytesPerToken {
        bytes.append(UInt8(truncatingIfNeeded: token >> (8 * Int32(index))))
      }
    }
    try AtomicFile.append(bytes, to: body, path: path)
    header.tokenCount += tokens.count + 1
    header.storyCount += 1
    header.characterCount += story.unicodeScalars.count
    header.byteCount += story.utf8.count
  }

  /// Puts the file in place.
  public func finish() throws(FileWriteError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // A structure of strings and integers always encodes.
    let json = try! encoder.encode(header)
    var start = Data(TokenFile.magic)
    start.append(contentsOf: (0..<8).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) })
    start.append(json)
    try AtomicFile.write(start, followedBy: body, to: path)
  }
}
