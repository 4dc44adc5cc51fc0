/// A message of protocol buffers, field by field.
struct ProtobufMessage {
  private(set) var bytes: [UInt8] = []

  private enum WireType: UInt64 {
    case varint = 0
    case fixed64 = 1
    case bytes = 2
    case fixed32 = 5
  }

  mutating func append(_ field: Int, _ value: Int64) {
    append(field, .varint)
    appendVarint(UInt64(bitPattern: value))
  }

  mutating func append(_ field: Int, _ value: Double) {
    append(field, .fixed64)
    bytes += littleEndian(value.bitPattern)
  }

  mutating func append(_ field: Int, _ value: Float) {
    append(field, .fixed32)
    bytes += littleEndian(value.bitPattern)
  }

  mutating func append(_ field: Int, _ text: String) { append(field, Array(text.utf8)) }

  mutating func append(_ field: Int, _ message: ProtobufMessage) { append(field, message.bytes) }

  private mutating func append(_ field: Int, _ content: [UInt8]) {
    append(field, .bytes)
    appendVarint(UInt64(content.count))
    bytes += content
  }

  private mutating func append(_ field: Int, _ type: WireType) {
    appendVarint(UInt64(field) << 3 | type.rawValue)
  }

  private mutating func appendVarint(_ value: UInt64) {
    var value = value
    while value > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    bytes.append(UInt8(value))
  }
}

func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
