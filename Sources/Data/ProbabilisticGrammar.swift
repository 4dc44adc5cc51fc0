internal import Foundation
internal import NanoPreconditions

/// A context-free grammar with probabilities and a memory, that can both write text and say how likely it was
/// to write a given one.
///
/// A rule is a list of templates with weights. In a template
/// - `{rule}` stands for one of the rule's alternatives,
/// - `{slot=rule}` for the same, remembered under the slot's name,
/// - `{slot:=text}` remembers a text and stands for nothing,
/// - `{$slot}` and `{^slot}` stand for what was remembered, the latter with a capital letter.
///
/// The memory gives texts what makes them hard to predict from a short context: names, pronouns and things
/// that return many sentences later.
public struct ProbabilisticGrammar: Sendable {
  /// How the alternatives of a rule are weighted.
  public enum Weights: Hashable, Sendable {
    case uniform
    /// The i-th alternative, from 1, weighs i^(-0.7): common and rare words.
    case zipf
  }

  private enum Piece: Sendable {
    case literal([UInt8])
    case rule(Int)
    case capture(slot: Int, rule: Int)
    case assign(slot: Int, text: [UInt8])
    case recall(slot: Int, capitalized: Bool)
  }

  private struct Rule: Sendable {
    var alternatives: [[Piece]]
    var probabilities: [Double]
  }

  private var rules: [Rule]
  private let startRule: Int
  private let slotCount: Int

  /// - Precondition: every rule that a template names exists, every slot that is recalled is set first.
  public init(
    start: String, rules source: KeyValuePairs<String, (weights: Weights, alternatives: [String])>
  ) {
    var ruleNumbers: [String: Int] = [:]
    for (index, entry) in source.enumerated() {
      checkPrecondition(
        ruleNumbers.updateValue(index, forKey: entry.key) == nil, "rule \(entry.key) twice")
    }
    var slots: [String: Int] = [:]
    rules = source.map { entry in
      let weights = entry.value.alternatives.indices.map { index in
        entry.value.weights == .uniform ? 1 : pow(Double(index + 1), -0.7)
      }
      let total = weights.reduce(0, +)
      return Rule(
        alternatives: entry.value.alternatives.map {
          Self.parse($0, ruleNumbers: ruleNumbers, slots: &slots)
        }, probabilities: weights.map { $0 / total })
    }
    guard let start = ruleNumbers[start] else { fatalError("no rule '\(start)'") }
    startRule = start
    slotCount = slots.count
  }

  private static func parse(
    _ template: String, ruleNumbers: [String: Int], slots: inout [String: Int]
  ) -> [Piece] {
    func slot(_ name: some StringProtocol) -> Int {
      let name = String(name)
      let number = slots[name] ?? slots.count
      slots[name] = number
      return number
    }
    func rule(_ name: some StringProtocol) -> Int {
      guard let number = ruleNumbers[String(name)] else {
        fatalError("no rule '\(name)' for '\(template)'")
      }
      return number
    }
    var pieces: [Piece] = []
    var rest = template[...]
    while let open = rest.firstIndex(of: "{") {
      if open > rest.startIndex { pieces.append(.literal(Array(rest[..<open].utf8))) }
      guard let close = rest[open...].firstIndex(of: "}") else {
        fatalError("an unclosed brace in '\(template)'")
      }
      let body = rest[rest.index(after: open)..<close]
      if body.hasPrefix("$") || body.hasPrefix("^") {
        pieces.append(.recall(slot: slot(body.dropFirst()), capitalized: body.hasPrefix("^")))
      } else if let range = body.firstRange(of: ":=") {
        pieces.append(
          .assign(
            slot: slot(body[..<range.lowerBound]), text: Array(body[range.upperBound...].utf8)))
      } else if let equals = body.firstIndex(of: "=") {
        pieces.append(
          .capture(slot: slot(body[..<equals]), rule: rule(body[body.index(after: equals)...])))
      } else {
        pieces.append(.rule(rule(body)))
      }
      rest = rest[rest.index(after: close)...]
    }
    if !rest.isEmpty { pieces.append(.literal(Array(rest.utf8))) }
    return pieces
  }

  // MARK: Writing

  /// One text.
  public func text(using generator: inout some RandomNumberGenerator) -> String {
    var output: [UInt8] = []
    var memory = [[UInt8]](repeating: [], count: slotCount)
    write(rule: startRule, to: &output, memory: &memory, using: &generator)
    return String(decoding: output, as: UTF8.self)
  }

  private func write(
    rule: Int, to output: inout [UInt8], memory: inout [[UInt8]],
    using generator: inout some RandomNumberGenerator
  ) {
    var remaining = generator.unitInterval()
    let probabilities = rules[rule].probabilities
    let chosen =
      probabilities.firstIndex { probability in
        remaining -= probability
        return remaining < 0
      } ?? probabilities.count - 1
    for piece in rules[rule].alternatives[chosen] {
      switch piece {
      case .literal(let text): output += text
      case .rule(let rule): write(rule: rule, to: &output, memory: &memory, using: &generator)
      case .capture(let slot, let rule):
        let start = output.count
        write(rule: rule, to: &output, memory: &memory, using: &generator)
        memory[slot] = Array(output[start...])
      case .assign(let slot, let text): memory[slot] = text
      case .recall(let slot, let capitalized): output += recalled(memory[slot], capitalized)
      }
    }
  }

  private func recalled(_ text: [UInt8], _ capitalized: Bool) -> [UInt8] {
    guard capitalized, let first = text.first, (97...122).contains(first) else { return text }
    return [first - 32] + text.dropFirst()
  }

  // MARK: Likelihood

  /// Where one derivation of the text so far has arrived.
  private struct Derivation: Hashable {
    var position: Int
    var memory: [[UInt8]]
  }

  /// Derivations with the logarithm of their probability; equal ones are added up, so an ambiguous grammar
  /// costs no more than an unambiguous one and the likelihood stays exact.
  private typealias Frontier = [Derivation: Double]

  /// The logarithm of the probability of writing exactly `text`; minus infinity when it cannot be written.
  public func logProbability(of text: some Collection<UInt8>) -> Double {
    let text = Array(text)
    var reader = Reader(text: text, stopsAtEnd: false)
    let frontier = expand(
      rule: startRule,
      from: [Derivation(position: 0, memory: Array(repeating: [], count: slotCount)): 0],
      reader: &reader)
    return logSum(frontier.filter { $0.key.position == text.count }.map(\.value))
  }

  /// The logarithm of the probability of writing a text that begins with `prefix`.
  public func logProbability(ofPrefix prefix: some Collection<UInt8>) -> Double {
    let text = Array(prefix)
    guard !text.isEmpty else { return 0 }
    var reader = Reader(text: text, stopsAtEnd: true)
    let frontier = expand(
      rule: startRule,
      from: [Derivation(position: 0, memory: Array(repeating: [], count: slotCount)): 0],
      reader: &reader)
    let exact = frontier.filter { $0.key.position == text.count }.map(\.value)
    return logSum(exact + reader.finished)
  }

  /// What derivations are matched against.
  private struct Reader {
    let text: [UInt8]
    /// Whether a derivation that reaches the end of the text is finished, whatever would follow.
    let stopsAtEnd: Bool
    /// Log probabilities of the derivations that were.
    var finished: [Double] = []

    /// The position after `expected`, nil when the text goes on differently or the derivation is finished.
    mutating func match(_ expected: [UInt8], at position: Int, logProbability: Double) -> Int? {
      let available = min(expected.count, text.count - position)
      guard text[position..<position + available].elementsEqual(expected[..<available]) else {
        return nil
      }
      if stopsAtEnd && position + expected.count >= text.count && !expected.isEmpty {
        finished.append(logProbability)
        return nil
      }
      return available == expected.count ? position + available : nil
    }
  }

  private func expand(rule: Int, from frontier: Frontier, reader: inout Reader) -> Frontier {
    var result: Frontier = [:]
    for (pieces, probability) in zip(rules[rule].alternatives, rules[rule].probabilities) {
      var current = frontier.mapValues { $0 + log(probability) }
      for piece in pieces where !current.isEmpty {
        current = expand(piece, from: current, reader: &reader)
      }
      result.merge(current, uniquingKeysWith: logSum)
    }
    return result
  }

  private func expand(_ piece: Piece, from frontier: Frontier, reader: inout Reader) -> Frontier {
    switch piece {
    case .rule(let rule): return expand(rule: rule, from: frontier, reader: &reader)
    case .capture(let slot, let rule):
      // One derivation at a time: each remembers what it itself has read.
      var result: Frontier = [:]
      for (derivation, probability) in frontier {
        for (next, nextProbability) in expand(
          rule: rule, from: [derivation: probability], reader: &reader)
        {
          var next = next
          next.memory[slot] = Array(reader.text[derivation.position..<next.position])
          result.merge([next: nextProbability], uniquingKeysWith: logSum)
        }
      }
      return result
    case .literal, .assign, .recall:
      var result: Frontier = [:]
      for (derivation, probability) in frontier {
        var next = derivation
        let expected: [UInt8]
        switch piece {
        case .assign(let slot, let text):
          next.memory[slot] = text
          expected = []
        case .recall(let slot, let capitalized):
          expected = recalled(derivation.memory[slot], capitalized)
        case .literal(let text): expected = text
        case .rule, .capture: expected = []
        }
        guard
          let position = reader.match(
            expected, at: derivation.position, logProbability: probability)
        else { continue }
        next.position = position
        result.merge([next: probability], uniquingKeysWith: logSum)
      }
      return result
    }
  }
}

/// log(eˣ + eʸ)
private func logSum(_ x: Double, _ y: Double) -> Double {
  let (high, low) = (max(x, y), min(x, y))
  return low == -.infinity ? high : high + log1p(exp(low - high))
}

private func logSum(_ values: [Double]) -> Double { values.reduce(-.infinity, logSum) }
