/// Takes the story out of JSON without building what else is in it.
///
/// Takes a part of what JSON allows, and means the same by it: other text is for a parser of all of it.
struct JSONStoryScanner {
  private static let deepest = 16
  private static let mostDigits = 15

  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Appends the `text`, or else the `story`, of an object, or a string in an array; false where that takes a whole parser.
  static func appendStory(of json: UnsafeRawBufferPointer, isInArray: Bool, to text: inout [UInt8]) -> Bool {
    var scanner = JSONStoryScanner(json)
    guard let story = isInArray && json.first == UInt8(ascii: "\"") ? scanner.string() : scanner.storyOfObject(),
      scanner.position == json.count
    else { return false }
    scanner.append(story, to: &text)
    return true
  }

  // MARK: Scanning

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func storyOfObject() -> Range<Int>? {
    var found: [(name: [UInt8], string: Range<Int>?)] = []
    let isWhole = object { scanner, name in
      let isString = scanner.next == UInt8(ascii: "\"")
      let start = scanner.position + 1
      guard scanner.value(depth: 1) else { return false }
      let name = scanner.bytes[name]
      // A name may be written with escapes.
      guard !name.contains(UInt8(ascii: "\\")) else { return false }
      if name.elementsEqual("text".utf8) || name.elementsEqual("story".utf8) {
        found.append((Array(name), isString ? start..<scanner.position - 1 : nil))
      }
      return true
    }
    guard isWhole else { return nil }
    let texts = found.filter { $0.name.count == 4 }, stories = found.filter { $0.name.count == 5 }
    guard texts.count <= 1, stories.count <= 1 else { return nil }
    return texts.first?.string ?? stories.first?.string
  }

  /// An object; `member` reads the value behind each name.
  private mutating func object(_ member: (inout JSONStoryScanner, _ name: Range<Int>) -> Bool) -> Bool {
    guard take(UInt8(ascii: "{")) else { return false }
    skipSpace()
    if take(UInt8(ascii: "}")) { return true }
    while true {
      skipSpace()
      guard let name = string() else { return false }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { return false }
      skipSpace()
      guard member(&self, name) else { return false }
      skipSpace()
      if take(UInt8(ascii: "}")) { return true }
      guard take(UInt8(ascii: ",")) else { return false }
    }
  }

  private mutating func array(depth: Int) -> Bool {
    position += 1
    skipSpace()
    if take(UInt8(ascii: "]")) { return true }
    while true {
      skipSpace()
      guard value(depth: depth + 1) else { return false }
      skipSpace()
      if take(UInt8(ascii: "]")) { return true }
      guard take(UInt8(ascii: ",")) else { return false }
    }
  }

  private mutating func value(depth: Int) -> Bool {
    guard depth < Self.deepest, let byte = next else { return false }
    switch byte {
    case UInt8(ascii: "\""): return string() != nil
    case UInt8(ascii: "{"): return object { scanner, _ in scanner.value(depth: depth + 1) }
    case UInt8(ascii: "["): return array(depth: depth)
    case UInt8(ascii: "t"): return word("true")
    case UInt8(ascii: "f"): return word("false")
    case UInt8(ascii: "n"): return word("null")
    default: return number()
    }
  }

  private mutating func word(_ word: StaticString) -> Bool {
    let end = position + word.utf8CodeUnitCount
    guard end <= bytes.count, word.withUTF8Buffer({ bytes[position..<end].elementsEqual($0) }) else { return false }
    position = end
    return true
  }

  private mutating func number() -> Bool {
    _ = take(UInt8(ascii: "-"))
    let start = position
    if !take(UInt8(ascii: "0")) { skipDigits() }
    guard position > start else { return false }
    if take(UInt8(ascii: ".")) {
      let point = position
      skipDigits()
      guard position > point else { return false }
    }
    return position - start <= Self.mostDigits && next != UInt8(ascii: "e") && next != UInt8(ascii: "E")
  }

  private mutating func skipDigits() {
    while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
  }

  /// What stands between the quotation marks.
  private mutating func string() -> Range<Int>? {
    guard take(UInt8(ascii: "\"")) else { return nil }
    let start = position
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return start..<position - 1
      case UInt8(ascii: "\\"):
        guard let length = escape(at: position)?.length else { return nil }
        position += length
      case 0..<0x20: return nil
      default: position += 1
      }
    }
    return nil
  }

  // MARK: Escapes

  /// The character that is written as an escape, and how many bytes that takes; nil for NUL and for what is none.
  private func escape(at start: Int) -> (scalar: Unicode.Scalar, length: Int)? {
    guard start + 1 < bytes.count else { return nil }
    switch bytes[start + 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return (Unicode.Scalar(bytes[start + 1]), 2)
    case UInt8(ascii: "b"): return ("\u{8}", 2)
    case UInt8(ascii: "f"): return ("\u{C}", 2)
    case UInt8(ascii: "n"): return ("\n", 2)
    case UInt8(ascii: "r"): return ("\r", 2)
    case UInt8(ascii: "t"): return ("\t", 2)
    case UInt8(ascii: "u"):
      guard let first = codeUnit(at: start + 2), first != 0 else { return nil }
      if let scalar = Unicode.Scalar(first) { return (scalar, 6) }
      guard start + 8 < bytes.count, bytes[start + 6] == UInt8(ascii: "\\"), bytes[start + 7] == UInt8(ascii: "u"),
        let second = codeUnit(at: start + 8), UTF16.isLeadSurrogate(first), UTF16.isTrailSurrogate(second)
      else { return nil }
      return (Unicode.Scalar(0x10000 + UInt32(first & 0x3FF) << 10 + UInt32(second & 0x3FF))!, 12)
    default: return nil
    }
  }

  /// Four hexadecimal digits.
  private func codeUnit(at start: Int) -> UInt16? {
    guard start + 4 <= bytes.count else { return nil }
    var value: UInt16 = 0
    for byte in bytes[start..<start + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
      value = value << 4 | UInt16(digit)
    }
    return value
  }

  private func append(_ string: Range<Int>, to text: inout [UInt8]) {
    var start = string.lowerBound
    while start < string.upperBound {
      let plain = bytes[start..<string.upperBound].firstIndex(of: UInt8(ascii: "\\")) ?? string.upperBound
      text += bytes[start..<plain]
      guard plain < string.upperBound, let (scalar, length) = escape(at: plain) else { return }
      text += UTF8.encode(scalar)!
      start = plain + length
    }
  }
}
