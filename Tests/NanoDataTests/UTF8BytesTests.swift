import NanoTestSupport
import Testing

@testable import NanoData

/// What the standard library takes for UTF-8, but for NUL.
@Test func charactersAreCountedWhereBytesAreUTF8() {
  func expectRight(_ bytes: [UInt8]) {
    let text = bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
    #expect(bytes.withUnsafeBytes(UTF8Bytes.characterCount) == text?.unicodeScalars.count, "\(bytes)")
  }
  for first in UInt8.min...UInt8.max {
    for second in UInt8.min...UInt8.max { expectRight([first, second, 0x80, 0xBF]) }
    expectRight([0x61, first])
  }
  let parts: [[UInt8]] = [
    Array("plain text".utf8), Array("é".utf8), Array("語".utf8), Array("🙂".utf8), Array("\u{10FFFF}".utf8), [0x80],
    [0xC2],
    [0xE0, 0xA0], [0xF0, 0x90, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0],
  ]
  var generator = SeededGenerator(seed: 8)
  for _ in 0..<20_000 {
    let isValid = Bool.random(using: &generator)
    expectRight(
      (0..<Int.random(in: 0..<8, using: &generator)).flatMap { _ in
        parts[Int.random(in: 0..<(isValid ? 5 : parts.count), using: &generator)]
      })
  }
}
