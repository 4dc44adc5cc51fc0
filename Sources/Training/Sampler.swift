internal import Foundation
internal import NanoPreconditions
public import NanoTensor

/// A model that predicts nothing.
public struct NotFiniteLogits: Error, Hashable, CustomStringConvertible {
  /// An error of logits of which at least one is infinite or NaN.
  public init() {}

  public var description: String {
    "the model's logits are not finite, so it predicts nothing; its weights are damaged, or its training diverged"
  }
}

/// Draws a token from logits.
public struct Sampler: Sendable {
  /// Logits are divided by it; 0 takes the most likely token.
  public var temperature: Float
  /// Only the k most likely tokens are drawn from; nil for all.
  public var topK: Int?
  /// Only the most likely tokens that together have this probability; nil for all.
  /// - SeeAlso: Holtzman et al., 2019, arXiv:1904.09751.
  public var topP: Float?
  /// Only tokens at least this share as likely as the most likely; nil for all.
  /// - SeeAlso: Nguyen et al., 2024, arXiv:2407.01082.
  public var minP: Float?
  /// Logits of tokens that occurred are divided by it if positive, multiplied if negative; 1 for no effect.
  /// - SeeAlso: Keskar et al., 2019, arXiv:1909.05858.
  public var repetitionPenalty: Float

  /// - Precondition: temperature 0 or more, top-k at least 1, top-p and min-p in (0, 1], penalty positive.
  public init(
    temperature: Float = 1, topK: Int? = nil, topP: Float? = nil, minP: Float? = nil,
    repetitionPenalty: Float = 1
  ) {
    checkPrecondition(
      temperature >= 0 && topK ?? 1 > 0 && (topP ?? 1) > 0 && (topP ?? 1) <= 1 && (minP ?? 1) > 0
        && (minP ?? 1) <= 1 && repetitionPenalty > 0,
      "Sampler: temperature \(temperature), top-k \(topK ?? 0), top-p \(topP ?? 1), min-p "
        + "\(minP ?? 0), repetition penalty \(repetitionPenalty)")
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.minP = minP
    self.repetitionPenalty = repetitionPenalty
  }

  /// - Parameter seen: the tokens so far, for the repetition penalty.
  /// - Throws: where there are no logits to draw from: one of them is infinite or NaN.
  public func draw(
    from logits: [Float], seen: [Int32], using generator: inout RandomGenerator
  ) throws(NotFiniteLogits) -> Int32 {
    guard logits.allSatisfy(\.isFinite) else { throw NotFiniteLogits() }
    var logits = logits
    if repetitionPenalty != 1 {
      for token in Set(seen) {
        let logit = logits[Int(token)]
        let penalized = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty
        logits[Int(token)] = min(max(penalized, -.greatestFiniteMagnitude), .greatestFiniteMagnitude)
      }
    }
    let highest = logits.max() ?? 0
    guard temperature > 0 else { return Int32(logits.firstIndex(of: highest)!) }
    let candidates = candidates(logits, highest: highest)
    let weights = candidates.map { exp(Double((logits[$0] - highest) / temperature)) }
    let kept = keptCount(weights)
    var remaining = Double(generator.nextUniform()) * weights[..<kept].reduce(0, +)
    for (candidate, weight) in zip(candidates, weights[..<kept]) {
      remaining -= weight
      if remaining < 0 { return Int32(candidate) }
    }
    return Int32(candidates[kept - 1])  // only when rounding left a remainder
  }

  /// The tokens to draw from, by falling logit if any rule asks for that, else all in their own order.
  private func candidates(_ logits: [Float], highest: Float) -> [Int] {
    var candidates = Array(logits.indices)
    if let minP {
      // p ≥ minP · p_max, before any exponential is taken.
      let threshold = highest + temperature * log(minP)
      candidates = candidates.filter { logits[$0] >= threshold }
    }
    if let topK, topK < candidates.count {
      let threshold = candidates.map { logits[$0] }.sorted(by: >)[topK - 1]
      candidates = candidates.filter { logits[$0] >= threshold }
    }
    guard topK != nil || topP != nil else { return candidates }
    candidates.sort { (logits[$0], $1) > (logits[$1], $0) }
    return Array(candidates.prefix(topK ?? candidates.count))
  }

  /// How many of the weights, from the largest down, top-p leaves.
  private func keptCount(_ weights: [Double]) -> Int {
    guard let topP else { return weights.count }
    let limit = Double(topP) * weights.reduce(0, +)
    var sum = 0.0
    for (index, weight) in weights.enumerated() {
      sum += weight
      if sum >= limit { return index + 1 }
    }
    return weights.count
  }
}
