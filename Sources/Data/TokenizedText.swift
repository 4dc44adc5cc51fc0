/// A text as tokens, and how much raw text they stand for.
public struct TokenizedText: Sendable {
  /// Tokens.
  public let count: Int
  /// Characters of the text that they stand for.
  public let characterCount: Int
  /// Its bytes in UTF-8.
  public let byteCount: Int
  /// Stories it holds; nil for a text without such.
  public let storyCount: Int?
  /// What its first token is predicted from.
  public let before: Int32
  private let tokens: @Sendable (Range<Int>) -> [Int32]

  /// Tokens in memory.
  /// - Parameters:
  ///   - characterCount: by default one a token.
  ///   - byteCount: of the text in UTF-8.
  ///   - before: what the first token is predicted from.
  public init(_ slice: ArraySlice<Int32>, characterCount: Int? = nil, byteCount: Int, before: Int32) {
    count = slice.count
    self.characterCount = characterCount ?? slice.count
    self.byteCount = byteCount
    storyCount = nil
    self.before = before
    tokens = { Array(slice[slice.startIndex + $0.lowerBound..<slice.startIndex + $0.upperBound]) }
  }

  /// Tokenized stories; the first begins as every other, after the end of a story.
  public init(_ file: TokenFile, endOfStory: Int32) {
    count = file.count
    characterCount = file.header.characterCount
    byteCount = file.header.byteCount
    storyCount = file.header.storyCount
    before = endOfStory
    tokens = { file[$0] }
  }

  /// A whole text of characters but for the first, which has nothing before it.
  /// - Throws: when the text has fewer than two characters, or one outside the vocabulary.
  public init(whole text: String, tokenizer: CharacterTokenizer) throws {
    let tokens = try tokenizer.encode(text)
    guard tokens.count > 1 else {
      throw CorpusError(description: "the text has \(tokens.count) characters; scoring takes two or more")
    }
    self.init(
      tokens.dropFirst(), byteCount: tokenizer.decode(tokens.dropFirst()).utf8.count, before: tokens[0])
  }

  /// A part of another text.
  private init(
    _ text: TokenizedText, _ range: Range<Int>, characterCount: Int, byteCount: Int, storyCount: Int?
  ) {
    count = range.count
    self.characterCount = characterCount
    self.byteCount = byteCount
    self.storyCount = storyCount
    before = range.lowerBound == 0 ? text.before : text[range.lowerBound - 1..<range.lowerBound][0]
    tokens = { text[$0.lowerBound + range.lowerBound..<$0.upperBound + range.lowerBound] }
  }

  /// The first nine tenths and the rest; stories stay whole.
  func withLastTenthApart(_ tokenizer: any Tokenizer) -> (most: TokenizedText, tenth: TokenizedText) {
    var cut = Corpus.trainingCount(of: count)
    if storyCount != nil {
      // A story ends with the token that the first one follows.
      while cut > 0, cut < count, self[cut - 1..<cut][0] != before { cut += 1 }
    }
    let tail = self[cut..<count]
    let text = tokenizer.decode(tail)
    let stories = storyCount.map { _ in tail.count { $0 == before } }
    let characters = storyCount == nil ? tail.count : text.unicodeScalars.count
    return (
      TokenizedText(
        self, 0..<cut, characterCount: characterCount - characters, byteCount: byteCount - text.utf8.count,
        storyCount: storyCount.map { $0 - stories! }),
      TokenizedText(self, cut..<count, characterCount: characters, byteCount: text.utf8.count, storyCount: stories)
    )
  }

  /// The tokens of a range.
  public subscript(range: Range<Int>) -> [Int32] { tokens(range) }

  /// Windows at random places. What is drawn depends on the generator alone.
  /// - Precondition: more than `sequenceLength` tokens.
  public func batch(
    sequenceCount: Int, sequenceLength: Int, using generator: inout some RandomNumberGenerator
  ) -> TokenBatch {
    batch((0..<sequenceCount).map { _ in generator.index(below: count - sequenceLength) }, sequenceLength)
  }

  /// The windows of a step that reads the text in epochs: every window is read once before any is read again, in an order
  /// drawn for each epoch.
  /// - Parameters:
  ///   - step: the windows of the steps before are `step * sequenceCount`.
  ///   - generator: of an epoch; what is drawn depends on it alone.
  /// - Precondition: more than `sequenceLength` tokens.
  public func batch<G: RandomNumberGenerator>(
    step: Int, sequenceCount: Int, sequenceLength: Int, generatorOfEpoch generator: (_ epoch: Int) -> G
  ) -> TokenBatch {
    let windows = EpochWindows(tokenCount: count, length: sequenceLength)
    let indices = step * sequenceCount..<(step + 1) * sequenceCount
    return batch(indices.map { windows.start(of: $0, generator: generator) }, sequenceLength)
  }

  /// Windows from each of some places on.
  private func batch(_ starts: [Int], _ sequenceLength: Int) -> TokenBatch {
    var (inputs, targets) = ([Int32](), [Int32]())
    inputs.reserveCapacity(starts.count * sequenceLength)
    targets.reserveCapacity(starts.count * sequenceLength)
    for start in starts {
      let window = self[start..<start + sequenceLength + 1]
      inputs += window.dropLast()
      targets += window.dropFirst()
    }
    return TokenBatch(inputs: inputs, targets: targets, sequenceLength: sequenceLength)
  }
}
