/// One token a Unicode scalar: the sorted set of a text's scalars, as Python's `sorted(set(text))`.
public struct CharacterTokenizer: Tokenizer, Hashable {
  /// Token i stands for the i-th scalar.
  public let scalars: [Unicode.Scalar]
  private let tokens: [Unicode.Scalar: Int32]

  /// The vocabulary of a text.
  public init(vocabularyOf text: String) {
    self.init(scalars: Set(text.unicodeScalars).sorted())
  }

  private init(scalars: [Unicode.Scalar]) {
    self.scalars = scalars
    tokens = Dictionary(uniqueKeysWithValues: zip(scalars, Int32(0)...))
  }

  public var vocabularySize: Int { scalars.count }

  public func encode(_ text: String) throws(TokenizerError) -> [Int32] {
    var result: [Int32] = []
    result.reserveCapacity(text.utf8.count)
    for (position, scalar) in text.unicodeScalars.enumerated() {
      guard let token = tokens[scalar] else {
        throw TokenizerError(
          description: "character \(scalar.debugDescription) at position \(position) is not in the "
            + "model's vocabulary of \(vocabularySize) characters")
      }
      result.append(token)
    }
    return result
  }

  public func decode(_ tokens: some Sequence<Int32>) -> String {
    var text = String.UnicodeScalarView()
    for token in tokens { text.append(scalars[Int(token)]) }
    return String(text)
  }
}

extension CharacterTokenizer: Codable {
  /// Coded as one string of all its characters.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    self.init(vocabularyOf: try container.decode(String.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(decode(Int32(0)..<Int32(vocabularySize)))
  }
}
