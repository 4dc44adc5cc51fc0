internal import NanoPreconditions
public import NanoTensor

/// Where dropout's masks come from during one forward computation.
///
/// The mask of a sequence at the n-th place of the computation is a function of the step's generator, the
/// sequence's number in the whole batch, and n. So it does not matter how a batch is cut into shards and
/// micro-batches, nor whether a block is computed a second time.
public struct Dropout {
  /// The share of elements set to zero, from 0 to below 1.
  public let rate: Float
  private let generator: RandomGenerator
  private let firstSequence: Int
  private var placeCount = 0

  /// - Parameters:
  ///   - rate: the share of elements set to zero, from 0 to below 1.
  ///   - generator: the step's.
  ///   - firstSequence: the number of the first sequence of this computation in the batch.
  public init(rate: Float, generator: RandomGenerator, firstSequence: Int) {
    checkPrecondition(rate >= 0 && rate < 1, "Dropout: rate \(rate)")
    self.rate = rate
    self.generator = generator
    self.firstSequence = firstSequence
  }

  /// The masks of the next place.
  public mutating func nextMasks() -> DropoutMasks {
    placeCount += 1
    return DropoutMasks(
      rate: rate, generator: generator, firstSequence: firstSequence, place: placeCount)
  }

  /// Sets elements to zero and multiplies the rest by 1/(1 - rate), so that the mean stays.
  public mutating func callAsFunction(_ input: Variable, sequenceLength: Int) -> Variable {
    let masks = nextMasks()
    let count = sequenceLength * input.shape.width
    var mask = Tensor(uninitialized: input.shape)
    mask.withMutableElements { elements in
      for sequence in 0..<input.shape.rowCount / sequenceLength {
        var stream = masks.stream(sequence: sequence)
        for index in sequence * count..<(sequence + 1) * count {
          elements[index] = masks.nextFactor(from: &stream)
        }
      }
    }
    return input.masked(by: mask)
  }
}

/// The masks of one place of a computation: one a sequence, or one a sequence and head.
public struct DropoutMasks: Sendable {
  fileprivate let rate: Float
  fileprivate let generator: RandomGenerator
  fileprivate let firstSequence: Int
  fileprivate let place: Int

  /// What the mask of a sequence of this computation is drawn from.
  fileprivate func stream(sequence: Int) -> RandomGenerator {
    generator.split(UInt64(firstSequence + sequence)).split(UInt64(place))
  }

  /// 0, or 1/(1 - rate).
  fileprivate func nextFactor(from stream: inout RandomGenerator) -> Float {
    stream.nextUniform() < rate ? 0 : 1 / (1 - rate)
  }

  /// One head's attention probabilities times their mask; nothing is drawn for what lies behind the diagonal.
  func apply(
    to probabilities: Numbers, into result: MutableNumbers, sequence: Int, head: Int, length: Int, rowStride: Int
  ) {
    var stream = stream(sequence: sequence).split(UInt64(head))
    let probabilities = probabilities.start.assumingMemoryBound(to: Float.self)
    let result = result.numbers.start.assumingMemoryBound(to: Float.self)
    for row in 0..<length {
      let start = row * rowStride
      for index in start...start + row { result[index] = probabilities[index] * nextFactor(from: &stream) }
      for index in start + row + 1..<start + rowStride { result[index] = 0 }
    }
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
