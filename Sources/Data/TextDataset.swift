internal import NanoPreconditions

/// Which part of a text.
public enum Split: String, CaseIterable, Hashable, Sendable, Codable {
  case training, validation
}

/// Sequences to train or evaluate on: `targets` are `inputs` shifted by one.
public struct TokenBatch: Hashable, Sendable {
  public let inputs, targets: [Int32]
  public let sequenceLength: Int

  public var sequenceCount: Int { inputs.count / sequenceLength }

  /// The sequences of a range.
  public subscript(sequences: Range<Int>) -> TokenBatch {
    let elements = sequences.lowerBound * sequenceLength..<sequences.upperBound * sequenceLength
    return TokenBatch(
      inputs: Array(inputs[elements]), targets: Array(targets[elements]),
      sequenceLength: sequenceLength)
  }

  public init(inputs: [Int32], targets: [Int32], sequenceLength: Int) {
    checkPrecondition(
      inputs.count == targets.count && sequenceLength > 0 && inputs.count % sequenceLength == 0,
      "TokenBatch: \(inputs.count) inputs, \(targets.count) targets, sequences of \(sequenceLength)"
    )
    self.inputs = inputs
    self.targets = targets
    self.sequenceLength = sequenceLength
  }
}

/// A text that is too short for what is asked of it.
public struct DatasetError: Error, Hashable, CustomStringConvertible {
  public let description: String

  public init(description: String) { self.description = description }
}

/// A tokenized text: the first 90% train, the rest validates.
public struct TextDataset: Sendable {
  private let tokens: [Int32]
  private let trainingCount: Int

  /// How many of the first tokens train: nine in ten.
  public static func trainingCount(of tokenCount: Int) -> Int { Int(0.9 * Double(tokenCount)) }

  /// - Throws: when either part is shorter than one window of `contextLength` + 1 tokens.
  public init(tokens: [Int32], contextLength: Int) throws(DatasetError) {
    self.tokens = tokens
    trainingCount = Self.trainingCount(of: tokens.count)
    for split in Split.allCases where count(of: split) < contextLength + 1 {
      throw DatasetError(
        description: "the text has \(tokens.count) characters, so \(count(of: split)) for "
          + "\(split.rawValue); a context of \(contextLength) needs \(contextLength + 1) there: use a "
          + "longer text or a shorter context")
    }
  }

  /// Tokens of a split.
  public func count(of split: Split) -> Int { range(of: split).count }

  private func range(of split: Split) -> Range<Int> {
    switch split {
    case .training: 0..<trainingCount
    case .validation: trainingCount..<tokens.count
    }
  }

  /// `sequenceCount` windows at random places of a split. What is drawn depends on the generator alone.
  public func batch(
    of split: Split, sequenceCount: Int, sequenceLength: Int,
    using generator: inout some RandomNumberGenerator
  ) -> TokenBatch {
    let range = range(of: split)
    var inputs: [Int32] = []
    var targets: [Int32] = []
    inputs.reserveCapacity(sequenceCount * sequenceLength)
    targets.reserveCapacity(sequenceCount * sequenceLength)
    for _ in 0..<sequenceCount {
      let start = range.lowerBound + generator.index(below: range.count - sequenceLength)
      inputs += tokens[start..<start + sequenceLength]
      targets += tokens[start + 1..<start + sequenceLength + 1]
    }
    return TokenBatch(inputs: inputs, targets: targets, sequenceLength: sequenceLength)
  }

  /// The tokens of a split.
  public func tokens(of split: Split) -> ArraySlice<Int32> { tokens[range(of: split)] }
}

extension RandomNumberGenerator {
  /// Uniform below `bound`; spelled out, so that a toolchain cannot change what a seed gives.
  mutating func index(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// Uniform on [0, 1).
  mutating func unitInterval() -> Double { Double(next() >> 11) * 0x1p-53 }
}
