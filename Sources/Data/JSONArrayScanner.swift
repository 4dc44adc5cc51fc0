/// Finds the elements of a JSON array that comes in pieces, in memory for one element.
///
/// Only strings and nesting are looked at; whether an element is JSON is for others to say.
struct JSONArrayScanner {
  struct Problem: Error {
    /// In the bytes at hand.
    let position: Int
    let description: String
  }

  private enum Place {
    case beforeArray, beforeElement, inElement, behindElement, behindArray
  }

  private var place = Place.beforeArray
  private var isFirst = true
  /// How far the bytes at hand have been looked at, and where the element begins that is being read.
  private var position = 0
  private var start = 0
  private var depth = 0
  private var (isInString, isEscaped) = (false, false)

  /// The next element, once it is there whole; nil for more bytes behind those at hand, or at the array's end.
  /// - Throws: for what is no array of elements with commas between them, or ends before the array does.
  mutating func nextElement(
    in bytes: [UInt8], isAtEnd: Bool
  ) throws(Problem) -> (content: Range<Int>, end: Int)? {
    while position < bytes.count {
      let byte = bytes[position]
      if place == .inElement {
        if let end = elementEnd(at: byte) {
          place = .behindElement
          position = end
          return (start..<end, end)
        }
        position += 1
        continue
      }
      if !byte.isWhitespace { try take(byte) }
      if place != .inElement { position += 1 }
    }
    guard !isAtEnd || place == .behindArray else {
      throw Problem(position: position, description: "the file ends before the array does")
    }
    return nil
  }

  /// The bytes at hand have lost so many at their front.
  mutating func didRemove(_ count: Int) {
    position -= count
    start -= count
  }

  /// A byte between elements.
  private mutating func take(_ byte: UInt8) throws(Problem) {
    switch (place, byte) {
    case (.beforeArray, UInt8(ascii: "[")): place = .beforeElement
    case (.beforeElement, UInt8(ascii: "]")) where isFirst, (.behindElement, UInt8(ascii: "]")):
      place = .behindArray
    case (.behindElement, UInt8(ascii: ",")): place = .beforeElement
    case (.beforeElement, UInt8(ascii: ",")), (.beforeElement, UInt8(ascii: "]")):
      throw Problem(position: position, description: "an element is missing")
    case (.beforeElement, _):
      (place, start, isFirst) = (.inElement, position, false)
      (depth, isInString, isEscaped) = (0, false, false)
    case (.behindArray, _):
      throw Problem(position: position, description: "something follows it")
    default:
      throw Problem(position: position, description: "a comma or a bracket is missing")
    }
  }

  /// Where the element ends, if it does at the byte at ``position``.
  private mutating func elementEnd(at byte: UInt8) -> Int? {
    if isInString {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        isInString = false
        if depth == 0 { return position + 1 }
      }
      return nil
    }
    switch byte {
    case UInt8(ascii: "\""): isInString = true
    case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
    case UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"):
      if depth == 0 { return position }  // a number or a word ends before it
      guard byte != UInt8(ascii: ",") else { return nil }
      depth -= 1
      if depth == 0 { return position + 1 }
    default: break
    }
    return nil
  }
}
