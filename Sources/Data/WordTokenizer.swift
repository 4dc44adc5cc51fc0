internal import Foundation

/// Tokenizes stories word by word, and asks the tokenizer once for each word.
///
/// A word ends before a space where the tokenizer allows that (``StoryTokenizer/wordEnds``), so that the tokens of a story
/// are those of its words. Where it allows that nowhere, a story is one word.
final class WordTokenizer<Base: StoryTokenizer> {
  private let tokenizer: Base
  private let bytesPerToken: Int
  private let endOfStory: [UInt8]
  /// For each byte whether a word may end with it before a space.
  private let endsWord: UnsafeMutablePointer<Bool>
  private let table: WordTable
  private let tokens = TokenBuffer()

  init(_ tokenizer: Base, wordEnds: Set<UInt8>, table: WordTable = WordTable()) {
    self.tokenizer = tokenizer
    self.table = table
    bytesPerToken = TokenFile.bytesPerToken(of: tokenizer)
    endOfStory = TokenFile.bytes(of: [tokenizer.endOfStory], each: bytesPerToken)
    endsWord = .allocate(capacity: 256)
    for byte in 0...255 { endsWord[byte] = wordEnds.contains(UInt8(byte)) }
  }

  deinit { endsWord.deallocate() }

  /// The tokens of stories, and behind each story the one that ends it.
  func tokenized(_ texts: StoryTexts) throws -> TokenizedStories {
    var result = TokenizedStories()
    var words: [Word] = []
    tokens.count = 0
    try texts.bytes.withUnsafeBytes { bytes in
      for story in texts.stories {
        let text = UnsafeRawBufferPointer(rebasing: bytes[story.range])
        cut(text, into: &words)
        try append(words, of: text)
        endOfStory.withUnsafeBytes { tokens.append($0) }
        result.storyCount += 1
        result.characterCount += story.characterCount
        result.byteCount += story.range.count
      }
    }
    result.tokens = Array(tokens.bytes)
    return result
  }

  private func cut(_ story: UnsafeRawBufferPointer, into words: inout [Word]) {
    words.removeAll(keepingCapacity: true)
    var start = 0
    while start < story.count {
      var end = Self.firstSpace(in: story, from: start + 1)
      while end < story.count, !endsWord[Int(story[end - 1])] { end = Self.firstSpace(in: story, from: end + 1) }
      let hash = WordTable.hash(UnsafeRawBufferPointer(rebasing: story[start..<end]))
      table.prefetch(hash: hash)
      words.append(Word(range: start..<end, hash: hash))
      start = end
    }
  }

  /// The first space from `start` on, or the end: eight bytes at a time, since to be wrong at each word about where the loop
  /// ends takes a processor longer than the loop.
  private static func firstSpace(in text: UnsafeRawBufferPointer, from start: Int) -> Int {
    var index = start
    while index + 8 <= text.count {
      let differences =
        UInt64(littleEndian: text.loadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ 0x2020_2020_2020_2020
      // The lowest of these bits is that of the first byte without a difference.
      let spaces = (differences &- 0x0101_0101_0101_0101) & ~differences & 0x8080_8080_8080_8080
      if spaces != 0 { return index + spaces.trailingZeroBitCount / 8 }
      index += 8
    }
    while index < text.count, text[index] != UInt8(ascii: " ") { index += 1 }
    return index
  }

  private func append(_ words: [Word], of story: UnsafeRawBufferPointer) throws(TokenizerError) {
    for word in words {
      let text = UnsafeRawBufferPointer(rebasing: story[word.range])
      if let known = table.value(of: text, hash: word.hash) {
        tokens.append(known)
      } else {
        let found = try tokenizer.encode(String(decoding: text, as: UTF8.self))
        let bytes = TokenFile.bytes(of: found, each: bytesPerToken)
        table.add(text, hash: word.hash, bytes)
        bytes.withUnsafeBytes { tokens.append($0) }
      }
    }
  }
}

/// Bytes of tokens, in memory that is used again for the next stories.
private final class TokenBuffer {
  private var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 8)
  var count = 0

  deinit { memory.deallocate() }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }

  func append(_ bytes: UnsafeRawBufferPointer) {
    if count + bytes.count > memory.count { grow(bytes.count) }
    let end = memory.baseAddress! + count
    // Most words have one token, or two.
    if bytes.count == 2 {
      end.storeBytes(of: bytes.loadUnaligned(as: UInt16.self), as: UInt16.self)
    } else if bytes.count == 4 {
      end.storeBytes(of: bytes.loadUnaligned(as: UInt32.self), as: UInt32.self)
    } else if let start = bytes.baseAddress {
      memcpy(end, start, bytes.count)
    }
    count += bytes.count
  }

  private func grow(_ more: Int) {
    let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * memory.count + more, alignment: 8)
    larger.copyMemory(from: bytes)
    memory.deallocate()
    memory = larger
  }
}

/// Where in a story a word lies, and its hash.
private struct Word {
  let range: Range<Int>
  let hash: UInt32
}

/// Stories in tokens, as a token file holds them.
struct TokenizedStories: Sendable {
  /// Little-endian.
  var tokens: [UInt8] = []
  var storyCount = 0
  /// Of their text.
  var characterCount = 0, byteCount = 0
}
