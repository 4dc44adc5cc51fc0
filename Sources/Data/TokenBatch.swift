internal import NanoPreconditions

/// Which part of a text.
public enum Split: String, CaseIterable, Hashable, Sendable, Codable {
  case training, validation
}

/// Sequences to train or evaluate on: `targets` are `inputs` shifted by one.
public struct TokenBatch: Hashable, Sendable {
  /// Sequence by sequence, as many of one as of the other.
  public let inputs, targets: [Int32]
  /// Tokens of one sequence.
  public let sequenceLength: Int

  /// Sequences of the batch.
  public var sequenceCount: Int { inputs.count / sequenceLength }

  /// The sequences of a range.
  public subscript(sequences: Range<Int>) -> TokenBatch {
    let elements = sequences.lowerBound * sequenceLength..<sequences.upperBound * sequenceLength
    return TokenBatch(
      inputs: Array(inputs[elements]), targets: Array(targets[elements]),
      sequenceLength: sequenceLength)
  }

  /// A batch of whole sequences, one behind another.
  /// - Precondition: as many targets as inputs, a multiple of `sequenceLength`, which is at least 1.
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

extension RandomNumberGenerator {
  /// Uniform below `bound`; spelled out, so that a toolchain cannot change what a seed gives.
  mutating func index(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// Uniform on [0, 1).
  mutating func unitInterval() -> Double { Double(next() >> 11) * 0x1p-53 }
}
