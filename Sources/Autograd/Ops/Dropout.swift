public import NanoTensor

/// Where dropout's masks come from during one forward computation.
///
/// The mask of a sequence at the n-th place of the computation is a function of the step's generator, the
/// sequence's number in the whole batch, and n. So it does not matter how a batch is cut into shards and
/// micro-batches, nor whether a block is computed a second time.
public struct Dropout {
  public let rate: Float
  private let generator: RandomGenerator
  private let firstSequence: Int
  private var placeCount = 0

  /// - Parameters:
  ///   - rate: the share of elements set to zero, from 0 to below 1.
  ///   - generator: the step's.
  ///   - firstSequence: the number of the first sequence of this computation in the batch.
  public init(rate: Float, generator: RandomGenerator, firstSequence: Int) {
    precondition(rate >= 0 && rate < 1, "Dropout: rate \(rate)")
    self.rate = rate
    self.generator = generator
    self.firstSequence = firstSequence
  }

  /// Sets elements to zero and multiplies the rest by 1/(1 - rate), so that the mean stays.
  public mutating func callAsFunction(_ input: Variable, sequenceLength: Int) -> Variable {
    placeCount += 1
    let count = sequenceLength * input.shape.width
    var mask = Tensor(uninitialized: input.shape)
    let elements = mask.mutableElements
    for sequence in 0..<input.shape.rowCount / sequenceLength {
      var stream = generator.split(UInt64(firstSequence + sequence)).split(UInt64(placeCount))
      for index in sequence * count..<(sequence + 1) * count {
        elements[index] = stream.nextUniform() < rate ? 0 : 1 / (1 - rate)
      }
    }
    return input.masked(by: mask)
  }
}

extension Variable {
  /// Every element times the element of a mask that is 0 or 1/(1 - rate): the gradient goes the same way.
  /// - Parameter mask: of the variable's shape.
  /// - SeeAlso: Srivastava et al., 2014, "Dropout".
  fileprivate func masked(by mask: Tensor) -> Variable {
    let node = node
    return tape.record(value * mask, inputs: self) { gradient, slots in
      slots.accumulate(gradient * mask, into: node)
    }
  }
}
