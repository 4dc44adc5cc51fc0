public import Foundation
internal import NanoPreconditions

/// GPT-2's byte-pair encoding: text in words, their UTF-8 bytes merged by rank.
///
/// Nothing is lost where each byte has a token; the tokens of a text are those of the tokenizers library.
/// - SeeAlso: Radford et al., 2019, "Language Models are Unsupervised Multitask Learners", section 2.2.
public struct ByteLevelTokenizer: StoryTokenizer {
  /// Two tokens that become one.
  public struct Merge: Hashable, Sendable {
    /// Two tokens side by side, and what they become.
    public let left, right, result: Int32

    /// The merge of `left` and the token behind it.
    public init(left: Int32, right: Int32, result: Int32) {
      self.left = left
      self.right = right
      self.result = result
    }
  }

  private struct Pair: Hashable {
    let left, right: Int32
  }

  /// Tokens count from 0 to below this.
  public let vocabularySize: Int
  /// The token between two texts.
  public let endOfStory: Int32
  /// SHA-256 of the description and of the token between two texts, in hexadecimal.
  public let digest: String
  /// The file that describes it, `tokenizer.json`.
  public let description: Data
  private let bytes: [[UInt8]]
  private let tokenOfByte: [Int32?]
  private let merges: [Pair: (rank: Int, result: Int32)]
  /// Tokens of whole words, where these are looked up before anything is merged; else empty.
  private let tokenOfWord: [[UInt8]: Int32]

  /// - Parameters:
  ///   - bytes: what each token stands for; nothing for one that no text contains.
  ///   - merges: from the first to the last that is made.
  ///   - looksUpWords: whether a word that is a token is taken for it at once.
  ///   - description: the file that all this was read from.
  /// - Precondition: all tokens are among `bytes`.
  public init(
    bytes: [[UInt8]], merges: [Merge], looksUpWords: Bool = false, endOfStory: Int32, description: Data
  ) {
    checkPrecondition(
      bytes.indices.contains(Int(endOfStory)), "ByteLevelTokenizer: \(endOfStory) of \(bytes.count) tokens")
    vocabularySize = bytes.count
    self.bytes = bytes
    self.endOfStory = endOfStory
    self.description = description
    digest = SHA256.hexadecimal(of: description + Data("\(endOfStory)".utf8))
    var tokenOfByte = [Int32?](repeating: nil, count: 256)
    for (token, bytes) in bytes.enumerated() where bytes.count == 1 { tokenOfByte[Int(bytes[0])] = Int32(token) }
    self.tokenOfByte = tokenOfByte
    // Of a pair that is there twice the first counts.
    self.merges = Dictionary(
      merges.enumerated().map { (Pair(left: $1.left, right: $1.right), (rank: $0, result: $1.result)) },
      uniquingKeysWith: { first, _ in first })
    tokenOfWord =
      looksUpWords
      ? Dictionary(
        bytes.enumerated().map { ($1, Int32($0)) }, uniquingKeysWith: { first, _ in first }) : [:]
  }

  /// No word has a space behind what is visible. Of characters beyond ASCII some are white space.
  public var wordEnds: Set<UInt8> { Set(0x21...0x7E) }

  public func encode(_ text: String) throws(TokenizerError) -> [Int32] {
    var tokens: [Int32] = []
    for word in Self.words(of: text) {
      if let token = tokenOfWord[word] {
        tokens.append(token)
      } else {
        tokens += try merged(word)
      }
    }
    return tokens
  }

  public func decode(_ tokens: some Sequence<Int32>) -> String {
    String(
      decoding: tokens.flatMap { token in
        checkPrecondition(
          bytes.indices.contains(Int(token)), "decode: token \(token) of a vocabulary of \(vocabularySize)")
        return bytes[Int(token)]
      }, as: UTF8.self)
  }

  // MARK: Merging

  /// A place in a word where two neighbours can be merged.
  private struct Candidate: Comparable {
    let rank, position: Int
    let pair: Pair
    let result: Int32

    static func < (first: Candidate, second: Candidate) -> Bool {
      (first.rank, first.position) < (second.rank, second.position)
    }
  }

  /// Merges the pair of lowest rank, the leftmost of equals, until none is left.
  /// - Complexity: O(n log n) for n bytes.
  private func merged(_ word: [UInt8]) throws(TokenizerError) -> [Int32] {
    var tokens: [Int32] = []
    for byte in word {
      guard let token = tokenOfByte[Int(byte)] else {
        throw TokenizerError(
          description: "the tokenizer has no token for the byte \(byte) of '\(String(decoding: word, as: UTF8.self))'")
      }
      tokens.append(token)
    }
    // A list of neighbours in place; a token that was merged into the one before it is -1.
    var next = Array(1...tokens.count)
    var previous = Array(-1..<tokens.count - 1)
    var queue = PriorityQueue<Candidate>()
    func candidate(at position: Int) -> Candidate? {
      guard position >= 0, next[position] < tokens.count else { return nil }
      let pair = Pair(left: tokens[position], right: tokens[next[position]])
      return merges[pair].map {
        Candidate(rank: $0.rank, position: position, pair: pair, result: $0.result)
      }
    }
    for position in tokens.indices {
      if let found = candidate(at: position) { queue.insert(found) }
    }
    while let best = queue.removeFirst() {
      let (position, right) = (best.position, next[best.position])
      guard tokens[position] == best.pair.left, right < tokens.count, tokens[right] == best.pair.right else {
        continue  // what it saw has been merged since
      }
      tokens[position] = best.result
      tokens[right] = -1
      next[position] = next[right]
      if next[right] < tokens.count { previous[next[right]] = position }
      for changed in [previous[position], position] {
        if let found = candidate(at: changed) { queue.insert(found) }
      }
    }
    return tokens.filter { $0 >= 0 }
  }

  // MARK: Words

  private enum Kind {
    case letter, number, space, other

    init(_ scalar: Unicode.Scalar) {
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
      case .decimalNumber, .letterNumber, .otherNumber: self = .number
      default: self = scalar.properties.isWhitespace ? .space : .other
      }
    }
  }

  private static let contractions = ["s", "t", "re", "ve", "m", "ll", "d"].map { Array($0.unicodeScalars) }

  /// GPT-2's words, which together are the text: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
  static func words(of text: String) -> [[UInt8]] {
    let scalars = Array(text.unicodeScalars)
    let kinds = scalars.map(Kind.init)
    var (words, start) = ([[UInt8]](), 0)
    while start < scalars.count {
      let end = endOfWord(scalars, kinds, from: start)
      words.append(scalars[start..<end].flatMap { Array(UTF8.encode($0)!) })
      start = end
    }
    return words
  }

  private static func endOfWord(_ scalars: [Unicode.Scalar], _ kinds: [Kind], from start: Int) -> Int {
    if scalars[start] == "'" {
      for rest in contractions where scalars[(start + 1)...].starts(with: rest) {
        return start + 1 + rest.count
      }
    }
    func endOfRun(from first: Int) -> Int {
      kinds[first...].firstIndex { $0 != kinds[first] } ?? kinds.count
    }
    let isSpaceBeforeWord = scalars[start] == " " && start + 1 < kinds.count && kinds[start + 1] != .space
    if isSpaceBeforeWord || kinds[start] != .space { return endOfRun(from: start + (isSpaceBeforeWord ? 1 : 0)) }
    // The last space before a word is left to it, unless it is the only one.
    let end = endOfRun(from: start)
    return end == kinds.count || end == start + 1 ? end : end - 1
  }
}

/// A binary heap, the smallest element first.
private struct PriorityQueue<Element: Comparable> {
  private var elements: [Element] = []

  mutating func insert(_ element: Element) {
    elements.append(element)
    var index = elements.count - 1
    while index > 0, elements[index] < elements[(index - 1) / 2] {
      elements.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  mutating func removeFirst() -> Element? {
    guard let first = elements.first else { return nil }
    let last = elements.removeLast()
    guard !elements.isEmpty else { return first }
    elements[0] = last
    var index = 0
    while true {
      var smallest = index
      for child in [2 * index + 1, 2 * index + 2] where child < elements.count {
        if elements[child] < elements[smallest] { smallest = child }
      }
      guard smallest != index else { return first }
      elements.swapAt(index, smallest)
      index = smallest
    }
  }
}
