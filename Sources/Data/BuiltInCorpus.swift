internal import Foundation

/// The text that stands in when a person brings none: small stories from a grammar, a function of the seed,
/// whose exact likelihood is known.
public struct BuiltInCorpus: Sendable {
  /// Stories, one blank line after each.
  public let text: String

  /// - Parameters:
  ///   - characters: stories are added until the text has at least as many.
  ///   - generator: what the stories are drawn from.
  public init(characters: Int = 1_100_000, using generator: inout some RandomNumberGenerator) {
    var text = ""
    var count = 0  // ASCII only, so bytes are characters
    while count < characters {
      let story = Self.grammar.text(using: &generator)
      text += story
      count += story.utf8.count
    }
    self.text = text
  }

  /// The mean negative log likelihood, in nats a character, of what follows the first `offset` characters,
  /// given those, under the grammar that made the text: the least that any model can reach on average.
  /// - Complexity: O(length of the rest).
  public func negativeLogLikelihood(fromCharacter offset: Int) -> Double {
    let bytes = Array(text.utf8)
    var start = 0
    var logProbability = 0.0
    while start < bytes.count {
      let end = Self.endOfStory(in: bytes, from: start)
      if end > offset {
        let story = bytes[start..<end]
        logProbability += Self.grammar.logProbability(of: story)
        if start < offset {
          logProbability -= Self.grammar.logProbability(ofPrefix: story[..<offset])
        }
      }
      start = end
    }
    return -logProbability / Double(bytes.count - offset)
  }

  private static func endOfStory(in bytes: [UInt8], from start: Int) -> Int {
    let newline = UInt8(ascii: "\n")
    var index = start
    while index + 1 < bytes.count {
      if bytes[index] == newline && bytes[index + 1] == newline { return index + 2 }
      index += 1
    }
    return bytes.count
  }
}
