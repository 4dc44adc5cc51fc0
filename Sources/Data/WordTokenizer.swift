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
    result.tokens.reserveCapacity(texts.bytes.count)
    try texts.bytes.withUnsafeBytes { bytes in
      for story in texts.stories {
        try append(UnsafeRawBufferPointer(rebasing: bytes[story.range]), to: &result.tokens)
        result.tokens += endOfStory
        result.storyCount += 1
        result.characterCount += story.characterCount
        result.byteCount += story.range.count
      }
    }
    return result
  }

  private func append(_ story: UnsafeRawBufferPointer, to tokens: inout [UInt8]) throws(TokenizerError) {
    let space = UInt8(ascii: " ")
    var start = 0
    while start < story.count {
      var end = start + 1
      while end < story.count, story[end] != space || !endsWord[Int(story[end - 1])] { end += 1 }
      let word = UnsafeRawBufferPointer(rebasing: story[start..<end])
      if let known = table.value(of: word) {
        tokens.append(contentsOf: known)
      } else {
        let found = try tokenizer.encode(String(decoding: word, as: UTF8.self))
        let bytes = TokenFile.bytes(of: found, each: bytesPerToken)
        table.add(word, bytes)
        tokens += bytes
      }
      start = end
    }
  }
}

/// Stories in tokens, as a token file holds them.
struct TokenizedStories: Sendable {
  /// Little-endian.
  var tokens: [UInt8] = []
  var storyCount = 0
  /// Of their text.
  var characterCount = 0, byteCount = 0
}
