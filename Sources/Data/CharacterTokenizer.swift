/// One token a Unicode scalar: the sorted set of a text's scalars, as Python's `sorted(set(text))`.
public struct CharacterTokenizer: Tokenizer, Hashable {
  /// Token i stands for the i-th scalar.
  public let scalars: [Unicode.Scalar]
  /// By value of the scalar, up to the largest; -1 for one that the vocabulary lacks.
  private let tokens: [Int32]

  /// The vocabulary of a text.
  public init(vocabularyOf text: String) {
    var occurs = [Bool](repeating: false, count: 0x110000)
    for scalar in text.unicodeScalars { occurs[Int(scalar.value)] = true }
    scalars = occurs.indices.lazy.filter { occurs[$0] }.compactMap { Unicode.Scalar(UInt32($0)) }
    var tokens = [Int32](repeating: -1, count: (scalars.last.map { Int($0.value) } ?? -1) + 1)
    for (token, scalar) in scalars.enumerated() { tokens[Int(scalar.value)] = Int32(token) }
    self.tokens = tokens
  }

  /// Tokens count from 0 to below this.
  public var vocabularySize: Int { scalars.count }

  public func encode(_ text: String) throws(TokenizerError) -> [Int32] {
    var result: [Int32] = []
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      let value = Int(scalar.value)
      guard value < tokens.count, tokens[value] >= 0 else {
        throw TokenizerError(
          description: "character \(scalar.debugDescription) at position \(result.count) is not in the "
            + "model's vocabulary of \(vocabularySize) characters")
      }
      result.append(tokens[value])
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
