import Foundation

extension Data {
  /// A key that an object has twice, of which a decoder would take either without a word; nil for none.
  /// - Precondition: the data is a JSON object.
  var repeatedKeyOfObject: String? {
    var (depth, keys) = (0, Set<String>())
    var lastString: Range<Int>?
    var index = startIndex
    while index < endIndex {
      switch self[index] {
      case UInt8(ascii: "\""):
        let start = index
        index += 1
        while index < endIndex, self[index] != UInt8(ascii: "\"") { index += self[index] == UInt8(ascii: "\\") ? 2 : 1 }
        lastString = start..<Swift.min(index + 1, endIndex)
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: ":"):
        // Decoded, since one key can be written in several ways.
        if depth == 1, let lastString, let key = try? JSONDecoder().decode(String.self, from: self[lastString]),
          !keys.insert(key).inserted
        {
          return key
        }
      default: break
      }
      index += 1
    }
    return nil
  }
}
