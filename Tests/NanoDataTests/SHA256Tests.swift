import NanoData
import Testing

@Test func sha256OfKnownTexts() {
  #expect(
    SHA256.hexadecimal(of: "".utf8)
      == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  #expect(
    SHA256.hexadecimal(of: "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)
      == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
  var hash = SHA256()
  for _ in 0..<10_000 { hash.update(Array(repeating: UInt8(ascii: "a"), count: 100)) }
  #expect(hash.finalized() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
}
