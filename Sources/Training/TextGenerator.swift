internal import Foundation
internal import NanoAutograd
public import NanoModels
public import NanoTensor

/// Draws tokens from a model, one after another.
public struct TextGenerator: Sendable {
  /// Logits are divided by it; 0 takes the most likely token.
  public var temperature: Float
  /// Only the k most likely tokens are drawn from; nil for all.
  public var topK: Int?
  private var generator: RandomGenerator

  /// - Precondition: the temperature is not negative and `topK`, if any, is positive.
  public init(temperature: Float = 1, topK: Int? = nil, generator: RandomGenerator) {
    precondition(temperature >= 0, "TextGenerator: temperature \(temperature)")
    precondition(topK ?? 1 > 0, "TextGenerator: top \(topK ?? 0)")
    self.temperature = temperature
    self.topK = topK
    self.generator = generator
  }

  /// Continues `prompt` by `count` tokens, each drawn from the model's prediction for as much of the text as
  /// its context holds.
  /// - Parameter prompt: at least one token.
  /// - Parameter end: a token that ends the text early, and is not part of it; nil for none.
  /// - Returns: the new tokens.
  public mutating func generate(
    _ count: Int, after prompt: [Int32], endingAt end: Int32? = nil, from model: some LanguageModel
  ) -> [Int32] {
    precondition(!prompt.isEmpty, "generate: an empty prompt")
    var tokens = prompt
    for _ in 0..<count {
      let window = Array(tokens.suffix(model.configuration.contextLength))
      let logits = model.logits(
        for: window, sequenceLength: window.count, on: Tape(recording: false))
      let next = draw(from: logits.value.lastRow)
      if next == end { break }
      tokens.append(next)
    }
    return Array(tokens.dropFirst(prompt.count))
  }

  private mutating func draw(from logits: [Float]) -> Int32 {
    let ranked = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
    guard temperature > 0 else { return Int32(ranked[0]) }
    let candidates = ranked.prefix(topK ?? ranked.count)
    let highest = logits[ranked[0]]
    let weights = candidates.map { exp(Double((logits[$0] - highest) / temperature)) }
    var remaining = Double(generator.nextUniform()) * weights.reduce(0, +)
    for (candidate, weight) in zip(candidates, weights) {
      remaining -= weight
      if remaining < 0 { return Int32(candidate) }
    }
    return Int32(candidates.last ?? ranked[0])  // only when rounding left a remainder
  }
}

extension Tensor {
  fileprivate var lastRow: [Float] {
    withElements { elements in
      (elements.count - shape.width..<elements.count).map { elements[$0] }
    }
  }
}
