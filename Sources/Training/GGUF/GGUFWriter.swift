internal import Foundation

/// Bytes of a GGUF file's header.
struct GGUFWriter {
  private(set) var data = Data()

  mutating func append(bytes: some Sequence<UInt8>) { data.append(contentsOf: bytes) }

  mutating func append(_ integer: some FixedWidthInteger) {
    withUnsafeBytes(of: integer.littleEndian) { data.append(contentsOf: $0) }
  }

  mutating func append(_ text: String) {
    append(UInt64(text.utf8.count))
    append(bytes: text.utf8)
  }

  /// A value behind its type.
  mutating func append(_ value: GGUFValue) {
    func begin(_ kind: GGUFValue.Kind) { append(kind.rawValue) }
    func begin(arrayOf kind: GGUFValue.Kind, _ count: Int) {
      append(GGUFValue.Kind.array.rawValue)
      append(kind.rawValue)
      append(UInt64(count))
    }
    switch value {
    case .integer(let number):
      begin(.uint32)
      append(UInt32(number))
    case .number(let number):
      begin(.float32)
      append(Float(number).bitPattern)
    case .boolean(let flag):
      begin(.boolean)
      append(UInt8(flag ? 1 : 0))
    case .string(let text):
      begin(.string)
      append(text)
    case .strings(let texts):
      begin(arrayOf: .string, texts.count)
      for text in texts { append(text) }
    case .integers(let numbers):
      begin(arrayOf: .int32, numbers.count)
      for number in numbers { append(number) }
    case .numbers(let numbers):
      begin(arrayOf: .float32, numbers.count)
      for number in numbers { append(number.bitPattern) }
    case .otherArray: fatalError("GGUFWriter: an array whose type is not known")
    }
  }
}
