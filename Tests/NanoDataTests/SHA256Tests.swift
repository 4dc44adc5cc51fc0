import CNanoData
import NanoData
import NanoTestSupport
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

/// Whether or not the processor has instructions for it.
@Test func instructionsAddWhatPlainCAdds() {
  var generator = SeededGenerator(seed: 4)
  for blockCount in [0, 1, 2, 7] {
    let bytes = (0..<64 * blockCount).map { _ in UInt8.random(in: 0...255, using: &generator) }
    var found = (0..<8).map { _ in UInt32.random(in: 0...UInt32.max, using: &generator) }
    var expected = found
    nk_sha256_add(&found, bytes, blockCount)
    nk_sha256_add_portable(&expected, bytes, blockCount)
    #expect(found == expected, "\(blockCount) blocks")
  }
}
