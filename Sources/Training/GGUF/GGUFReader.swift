internal import Foundation

/// Takes a GGUF file's header apart; nothing is taken that the file does not have.
struct GGUFReader {
  private let data: Data
  private(set) var position = 0

  init(_ data: Data) { self.data = data }

  var byteCount: Int { data.count }

  /// - Precondition: the file has as many bytes.
  mutating func skip(_ count: Int) { position += count }

  private func require(_ count: Int) throws(GGUFFile.FormatError) {
    guard count <= data.count - position else {
      throw GGUFFile.FormatError("the header ends in the middle; the file is cut short, or damaged")
    }
  }

  mutating func integer<Integer: FixedWidthInteger>(_ type: Integer.Type) throws(GGUFFile.FormatError) -> Integer {
    try require(MemoryLayout<Integer>.size)
    defer { position += MemoryLayout<Integer>.size }
    return Integer(
      littleEndian: data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Integer.self) })
  }

  /// A count of things that take at least so many bytes each.
  mutating func count(ofAtLeast bytes: Int, _ things: String) throws(GGUFFile.FormatError) -> Int {
    let count = try integer(UInt64.self)
    guard count <= UInt64((data.count - position) / bytes) else {
      throw GGUFFile.FormatError("the header claims \(count) \(things), more than the file has room for")
    }
    return Int(count)
  }

  mutating func string() throws(GGUFFile.FormatError) -> String {
    let count = try count(ofAtLeast: 1, "bytes of a text")
    defer { position += count }
    guard let text = String(validating: data.dropFirst(position).prefix(count), as: UTF8.self) else {
      throw GGUFFile.FormatError("a text in the header is not UTF-8")
    }
    return text
  }

  // MARK: Values

  mutating func value(of key: String) throws(GGUFFile.FormatError) -> GGUFValue {
    let kind = try kind(of: key)
    return kind == .array ? try array(of: key) : try scalar(kind, of: key)
  }

  private mutating func kind(of key: String) throws(GGUFFile.FormatError) -> GGUFValue.Kind {
    let number = try integer(UInt32.self)
    guard let kind = GGUFValue.Kind(rawValue: number) else {
      throw GGUFFile.FormatError("'\(key)' is of the unknown type \(number)")
    }
    return kind
  }

  private mutating func scalar(
    _ kind: GGUFValue.Kind, of key: String
  ) throws(GGUFFile.FormatError) -> GGUFValue {
    switch kind {
    case .uint8: return .integer(Int(try integer(UInt8.self)))
    case .int8: return .integer(Int(try integer(Int8.self)))
    case .uint16: return .integer(Int(try integer(UInt16.self)))
    case .int16: return .integer(Int(try integer(Int16.self)))
    case .uint32: return .integer(Int(try integer(UInt32.self)))
    case .int32: return .integer(Int(try integer(Int32.self)))
    case .int64: return .integer(Int(try integer(Int64.self)))
    case .uint64:
      let number = try integer(UInt64.self)
      guard let whole = Int(exactly: number) else { throw GGUFFile.FormatError("'\(key)' is \(number), too large") }
      return .integer(whole)
    case .float32: return .number(Double(Float(bitPattern: try integer(UInt32.self))))
    case .float64: return .number(Double(bitPattern: try integer(UInt64.self)))
    case .boolean:
      let byte = try integer(UInt8.self)
      guard byte <= 1 else { throw GGUFFile.FormatError("'\(key)' is \(byte), neither true nor false") }
      return .boolean(byte == 1)
    case .string: return .string(try string())
    case .array: throw GGUFFile.FormatError("'\(key)' is an array of arrays")
    }
  }

  private mutating func array(of key: String) throws(GGUFFile.FormatError) -> GGUFValue {
    let kind = try kind(of: key)
    guard kind != .array else { throw GGUFFile.FormatError("'\(key)' is an array of arrays") }
    let count = try count(ofAtLeast: kind.byteCount, "elements of '\(key)'")
    switch kind {
    case .string:
      var texts: [String] = []
      for _ in 0..<count { texts.append(try string()) }
      return .strings(texts)
    case .int32:
      var numbers: [Int32] = []
      for _ in 0..<count { numbers.append(try integer(Int32.self)) }
      return .integers(numbers)
    case .float32:
      var numbers: [Float] = []
      for _ in 0..<count { numbers.append(Float(bitPattern: try integer(UInt32.self))) }
      return .numbers(numbers)
    default:
      skip(count * kind.byteCount)
      return .otherArray
    }
  }
}
