internal import Foundation

/// A stretch of a file, cut into what may be stories, but not looked at yet.
struct StoryBlock: Sendable {
  /// The file, for messages.
  let path: String
  let form: StoryReader.Form
  let bytes: [UInt8]
  /// What may be stories: the others of them are empty.
  let stretches: [Range<Int>]
  /// The number of the first stretch, from 1 on.
  let firstIndex: Int
  /// Where in the file the bytes begin, and where the last stretch ends.
  let offset, end: Int

  /// The stories of the block.
  /// - Throws: for broken UTF-8 or NUL bytes (with the offset), and malformed JSON (with the line or the story).
  func texts() throws -> StoryTexts {
    try bytes.withUnsafeBytes { bytes in
      switch form {
      case .jsonLines, .jsonArray: try jsonTexts(in: bytes)
      case .endOfTextMarks, .plainText: try plainTexts(in: bytes)
      }
    }
  }

  private func plainTexts(in bytes: UnsafeRawBufferPointer) throws(StoryError) -> StoryTexts {
    var texts = StoryTexts(bytes: self.bytes)
    for stretch in stretches {
      let count = try characterCount(in: bytes, stretch)
      guard let trimmed = Self.trimmed(bytes, stretch) else { continue }
      if form == .plainText {
        texts.stories.append(StoryTexts.Story(range: stretch, characterCount: count))
      } else {
        texts.stories.append(
          StoryTexts.Story(range: trimmed, characterCount: count - (stretch.count - trimmed.count)))
      }
    }
    return texts
  }

  private func jsonTexts(in bytes: UnsafeRawBufferPointer) throws(StoryError) -> StoryTexts {
    var texts = StoryTexts(bytes: [])
    texts.bytes.reserveCapacity(bytes.count)
    for (index, stretch) in stretches.enumerated() {
      _ = try characterCount(in: bytes, stretch)
      guard let trimmed = Self.trimmed(bytes, stretch) else { continue }
      let content = UnsafeRawBufferPointer(rebasing: bytes[trimmed])
      let start = texts.bytes.count
      if !JSONStoryScanner.appendStory(of: content, isInArray: form == .jsonArray, to: &texts.bytes) {
        texts.bytes += try jsonStory(content, index: firstIndex + index).utf8
      }
      texts.bytes.withUnsafeBytes { bytes in
        guard let range = Self.trimmed(bytes, start..<bytes.count) else { return }
        let count = UTF8Bytes.characterCount(of: UnsafeRawBufferPointer(rebasing: bytes[range]))!
        texts.stories.append(StoryTexts.Story(range: range, characterCount: count))
      }
    }
    return texts
  }

  private func characterCount(
    in bytes: UnsafeRawBufferPointer, _ stretch: Range<Int>
  ) throws(StoryError) -> Int {
    let content = UnsafeRawBufferPointer(rebasing: bytes[stretch])
    if let count = UTF8Bytes.characterCount(of: content) { return count }
    if let zero = content.firstIndex(of: 0) {
      throw StoryError(
        description: "\(path): a NUL byte at offset \(offset + stretch.lowerBound + zero); this is not text")
    }
    let invalid = TextFile.firstInvalidByte(in: content) ?? 0
    throw StoryError(
      description: "\(path): not UTF-8 text: invalid byte at offset \(offset + stretch.lowerBound + invalid); "
        + "convert it with iconv")
  }

  /// The text of an object, or of a string in an array.
  private func jsonStory(_ content: UnsafeRawBufferPointer, index: Int) throws(StoryError) -> String {
    func problem(_ text: String) -> StoryError {
      StoryError(
        description: "\(path): \(form == .jsonArray ? "story \(index) of the array" : "line \(index)") \(text)")
    }
    let value = try? JSONSerialization.jsonObject(with: Data(content), options: .fragmentsAllowed)
    var text = form == .jsonArray ? value as? String : nil
    if text == nil {
      guard let object = value as? [String: Any] else {
        throw problem("is not a JSON object; a file of JSON is one array of stories, or one object a line")
      }
      text = object["text"] as? String ?? object["story"] as? String
    }
    guard let text else { throw problem("has no 'text' or 'story' that is a string") }
    guard !text.utf8.contains(0) else { throw problem("holds a NUL character") }
    return text
  }

  /// Without white space around; nil when nothing else is left.
  private static func trimmed(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Range<Int>? {
    guard let first = bytes[range].firstIndex(where: { !$0.isWhitespace }),
      let last = bytes[range].lastIndex(where: { !$0.isWhitespace })
    else { return nil }
    return first..<last + 1
  }
}

/// Texts of stories in UTF-8, side by side in memory.
struct StoryTexts: Sendable {
  struct Story: Sendable {
    let range: Range<Int>
    /// In Unicode scalars.
    let characterCount: Int
  }

  var bytes: [UInt8]
  var stories: [Story] = []

  var strings: [String] { stories.map { String(decoding: bytes[$0.range], as: UTF8.self) } }
}
