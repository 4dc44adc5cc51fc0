package import Foundation

/// A JSON value with what JSON keeps apart kept apart: `true` is not 1, and 1.5 is no whole number.
package enum JSONValue: Hashable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int)
  /// A number with a fraction or an exponent, or beyond the whole numbers.
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  /// Text that is not JSON.
  package struct SyntaxError: Error, Hashable, CustomStringConvertible {
    package let line: Int
    package let problem: String
    package var description: String { "line \(line): \(problem)" }
  }

  /// Reads JSON (RFC 8259) whose objects name each key once.
  /// - Throws: where the text is anything else, nested more than 128 levels deep, or not UTF-8.
  package init(parsing data: Data) throws(SyntaxError) {
    var parser = JSONParser(Array(data))
    self = try parser.document()
  }

  /// The value as an error message shows it.
  package var summary: String {
    switch self {
    case .null: "null"
    case .boolean(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let value): "\"\(value.prefix(60))\""
    case .array: "a list"
    case .object: "an object"
    }
  }
}

/// The members of a JSON object, in their order. Keys are the same when their bytes are: "é" in one character and in
/// two are two keys.
package struct JSONObject: Hashable, Sendable {
  package struct Member: Hashable, Sendable {
    package let key: String
    package let value: JSONValue

    package init(key: String, value: JSONValue) {
      self.key = key
      self.value = value
    }
  }

  package let members: [Member]

  package init(_ members: [Member] = []) { self.members = members }

  /// The value of a key, or nil if there is none.
  package subscript(key: String) -> JSONValue? {
    members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
  }

  /// With another value for a key, or without it.
  package func setting(_ key: String, to value: JSONValue?) -> JSONObject {
    let others = members.filter { $0.key != key }
    return JSONObject(others + (value.map { [Member(key: key, value: $0)] } ?? []))
  }
}

// MARK: Writing

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .integer(value) }
  package init(floatLiteral value: Double) { self = .number(value) }
  package init(booleanLiteral value: Bool) { self = .boolean(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(JSONObject(elements.map { JSONObject.Member(key: $0.0, value: $0.1) }))
  }
  package init(nilLiteral: ()) { self = .null }

  /// The value as JSON, members in their order.
  package var data: Data {
    var data = Data()
    write(to: &data)
    return data
  }

  private func write(to data: inout Data) {
    switch self {
    case .null: data.append(contentsOf: "null".utf8)
    case .boolean(let value): data.append(contentsOf: "\(value)".utf8)
    case .integer(let value): data.append(contentsOf: "\(value)".utf8)
    case .number(let value): data.append(contentsOf: "\(value)".utf8)
    case .string(let value): Self.write(value, to: &data)
    case .array(let values):
      data.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { data.append(UInt8(ascii: ",")) }
        value.write(to: &data)
      }
      data.append(UInt8(ascii: "]"))
    case .object(let object):
      data.append(UInt8(ascii: "{"))
      for (index, member) in object.members.enumerated() {
        if index > 0 { data.append(UInt8(ascii: ",")) }
        Self.write(member.key, to: &data)
        data.append(UInt8(ascii: ":"))
        member.value.write(to: &data)
      }
      data.append(UInt8(ascii: "}"))
    }
  }

  private static func write(_ text: String, to data: inout Data) {
    data.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): data.append(contentsOf: [UInt8(ascii: "\\"), byte])
      case 0..<0x20: data.append(contentsOf: String(format: "\\u%04x", Int(byte)).utf8)
      default: data.append(byte)
      }
    }
    data.append(UInt8(ascii: "\""))
  }
}

private struct JSONParser {
  private let bytes: [UInt8]
  private var position = 0
  private static let deepest = 128

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws(JSONValue.SyntaxError) -> JSONValue {
    let result = try value(depth: 0)
    skipSpace()
    guard position == bytes.count else { throw error("text behind the value") }
    return result
  }

  private func error(_ problem: String) -> JSONValue.SyntaxError {
    let line = 1 + bytes.prefix(position).count { $0 == UInt8(ascii: "\n") }
    return JSONValue.SyntaxError(line: line, problem: problem)
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, [0x20, 0x0A, 0x0D, 0x09].contains(byte) { position += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func take(word: StaticString) -> Bool {
    let count = word.utf8CodeUnitCount
    let expected = UnsafeBufferPointer(start: word.utf8Start, count: count)
    guard bytes[position...].starts(with: expected) else { return false }
    position += count
    return true
  }

  private mutating func value(depth: Int) throws(JSONValue.SyntaxError) -> JSONValue {
    guard depth < Self.deepest else { throw error("nested more than \(Self.deepest) levels deep") }
    skipSpace()
    if take("{") { return .object(try members(depth: depth)) }
    if take("[") { return .array(try elements(depth: depth)) }
    if take("\"") { return .string(try string()) }
    if take(word: "true") { return .boolean(true) }
    if take(word: "false") { return .boolean(false) }
    if take(word: "null") { return .null }
    return try number()
  }

  private mutating func members(depth: Int) throws(JSONValue.SyntaxError) -> JSONObject {
    var result: [JSONObject.Member] = []
    var keys: Set<[UInt8]> = []
    skipSpace()
    if take("}") { return JSONObject() }
    repeat {
      skipSpace()
      guard take("\"") else { throw error("a key in quotation marks is missing") }
      let key = try string()
      skipSpace()
      guard take(":") else { throw error("the colon behind the key '\(key)' is missing") }
      guard keys.insert(Array(key.utf8)).inserted else { throw error("the key '\(key)' is there twice") }
      result.append(JSONObject.Member(key: key, value: try value(depth: depth + 1)))
      skipSpace()
    } while take(",")
    guard take("}") else { throw error("an object does not end") }
    return JSONObject(result)
  }

  private mutating func elements(depth: Int) throws(JSONValue.SyntaxError) -> [JSONValue] {
    var result: [JSONValue] = []
    skipSpace()
    if take("]") { return result }
    repeat {
      result.append(try value(depth: depth + 1))
      skipSpace()
    } while take(",")
    guard take("]") else { throw error("a list does not end") }
    return result
  }

  private mutating func number() throws(JSONValue.SyntaxError) -> JSONValue {
    let start = position
    _ = take("-")
    let firstDigit = position
    skipDigits()
    guard position > firstDigit, bytes[firstDigit] != UInt8(ascii: "0") || position == firstDigit + 1
    else { throw error("no value where one is expected") }
    var isWhole = true
    if take(".") {
      isWhole = false
      guard skipDigits() else { throw error("a number ends with its point") }
    }
    if take("e") || take("E") {
      isWhole = false
      if !take("-") { _ = take("+") }
      guard skipDigits() else { throw error("a number ends with its exponent") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isWhole, let whole = Int(text) { return .integer(whole) }
    guard let value = Double(text), value.isFinite else { throw error("the number \(text) is out of range") }
    return .number(value)
  }

  @discardableResult
  private mutating func skipDigits() -> Bool {
    let start = position
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    return position > start
  }

  /// What follows an opening quotation mark, up to the closing one.
  private mutating func string() throws(JSONValue.SyntaxError) -> String {
    var result: [UInt8] = []
    while let byte = next {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: result, as: UTF8.self) else {
          throw error("a string is not UTF-8")
        }
        return text
      case UInt8(ascii: "\\"): result += try escaped()
      case 0..<0x20: throw error("a control character in a string")
      default: result.append(byte)
      }
    }
    throw error("a string does not end")
  }

  private mutating func escaped() throws(JSONValue.SyntaxError) -> [UInt8] {
    guard let byte = next else { throw error("a string does not end") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): return Array(String(try escapedScalar()).utf8)
    default: throw error("an unknown escape in a string")
    }
  }

  /// Four hexadecimal digits, or a pair of surrogates.
  private mutating func escapedScalar() throws(JSONValue.SyntaxError) -> Character {
    let first = try hexadecimal()
    if let scalar = Unicode.Scalar(first) { return Character(scalar) }
    guard (0xD800..<0xDC00).contains(first), take(word: "\\u") else {
      throw error("half a surrogate pair in a string")
    }
    let second = try hexadecimal()
    guard (0xDC00..<0xE000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + second - 0xDC00)
    else { throw error("half a surrogate pair in a string") }
    return Character(scalar)
  }

  private mutating func hexadecimal() throws(JSONValue.SyntaxError) -> UInt32 {
    let digits = bytes[position...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw error("an escape without four hexadecimal digits in a string") }
    position += 4
    return value
  }
}
