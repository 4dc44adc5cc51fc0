/// Text that is too long to be handled in one piece, cut where it hurts least.
enum LongText {
  /// Where the first part of UTF-8 text ends, of at most `limit` bytes: after the last line that fits, else
  /// after the last white space, else between two characters.
  static func firstPartEnd(in bytes: ArraySlice<UInt8>, limit: Int) -> Int {
    guard bytes.count > limit else { return bytes.endIndex }
    let window = bytes.prefix(limit)
    if let newline = window.lastIndex(of: UInt8(ascii: "\n")) { return newline + 1 }
    if let space = window.lastIndex(where: \.isWhitespace) { return space + 1 }
    // Bytes after a character's first begin with the bits 10; no character has more than three of them.
    return (window.endIndex - 3...window.endIndex).last { bytes[$0] & 0xC0 != 0x80 } ?? window.endIndex
  }

  /// A text in parts of at most `limit` bytes that together are the text.
  static func parts(of text: String, limit: Int) -> [String] {
    guard text.utf8.count > limit else { return [text] }
    var rest = Array(text.utf8)[...]
    var parts: [String] = []
    while !rest.isEmpty {
      let end = firstPartEnd(in: rest, limit: limit)
      parts.append(String(decoding: rest[..<end], as: UTF8.self))
      rest = rest[end...]
    }
    return parts
  }
}

extension UInt8 {
  /// Whether this is ASCII white space.
  var isWhitespace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}
