/// UTF-8 text where it lies in memory.
enum UTF8Bytes {
  /// How many characters (Unicode scalars) the bytes are; nil when they are not UTF-8, or one of them is NUL.
  static func characterCount(of bytes: UnsafeRawBufferPointer) -> Int? {
    var (index, count) = (0, 0)
    while index < bytes.count {
      if index + 8 <= bytes.count {
        let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        // A byte above 0x7F has its highest bit, and so has NUL less one.
        if (word | (word &- 0x0101_0101_0101_0101)) & 0x8080_8080_8080_8080 == 0 {
          index += 8
          count += 8
          continue
        }
      }
      guard let length = characterLength(bytes, at: index) else { return nil }
      index += length
      count += 1
    }
    return count
  }

  /// How many bytes the character at `index` takes; nil for NUL and for what is none.
  private static func characterLength(_ bytes: UnsafeRawBufferPointer, at index: Int) -> Int? {
    let (length, second): (Int, ClosedRange<UInt8>)
    switch bytes[index] {
    case 0x01...0x7F: return 1
    case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    default: return nil
    }
    guard index + length <= bytes.count, second.contains(bytes[index + 1]) else { return nil }
    for following in index + 2..<max(index + 2, index + length) where bytes[following] & 0xC0 != 0x80 { return nil }
    return length
  }
}
