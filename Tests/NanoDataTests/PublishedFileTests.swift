import NanoData
import Testing

@Test func publishedFilesArePinned() {
  for file in [TinyStories.training, TinyStories.validation, TinyShakespeare.text] {
    #expect(file.sha256.count == 64 && file.sha256.allSatisfy(\.isHexDigit) && file.byteCount > 1 << 20)
  }
}
