public import NanoAutograd
internal import NanoTensor

/// A part of a model: parameters and a map from a variable of rows to a variable of rows.
///
/// Layers are values. A layer conforms with one call and two lines that show its parameters:
///
/// ```swift
/// struct Gain: Layer {
///   var gain: Parameter
///   func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable { … }
///   mutating func visitParameters<E: Error>(
///     _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
///   ) throws(E) {
///     try visit(name.part("gain"), &gain)
///   }
/// }
/// ```
public protocol Layer: ParameterContainer {
  /// Maps N rows to N rows, recording on the context's tape.
  func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable
}

/// What a forward computation carries along: the tape, and how its rows fall into sequences.
public struct ForwardContext {
  /// What operations are recorded on.
  public let tape: Tape
  /// Rows of one sequence.
  public let sequenceLength: Int
  /// Where layers report what they saw; nil when nobody asks.
  public let recorder: StatisticsRecorder?
  /// Whether blocks keep only their input and run again in the backward pass.
  public let checkpointsBlocks: Bool
  /// Nil for none, as outside training.
  private let dropout: DropoutPlace?

  /// A context that by default neither reports, nor computes blocks twice, nor drops anything.
  /// - Parameter sequenceLength: rows of one sequence, at least 1; every layer is given whole sequences.
  public init(
    tape: Tape, sequenceLength: Int, recorder: StatisticsRecorder? = nil,
    checkpointsBlocks: Bool = false, dropout: Dropout? = nil
  ) {
    self.tape = tape
    self.sequenceLength = sequenceLength
    self.recorder = recorder
    self.checkpointsBlocks = checkpointsBlocks
    self.dropout = dropout.map { DropoutPlace($0) }
  }

  /// The variable with dropout, if there is any.
  public func dropped(_ input: Variable) -> Variable {
    guard let dropout else { return input }
    return dropout.state(input, sequenceLength: sequenceLength)
  }

  /// The masks of attention probabilities that come next; nil without dropout.
  public func nextDropoutMasks() -> DropoutMasks? { dropout?.state.nextMasks() }

  /// Runs a block, checkpointed if that is wanted. What it reports is reported once.
  ///
  /// Once tensors have passed the memory limit, blocks are skipped: whoever set the limit asks afterwards.
  public func run(_ block: some Layer, on input: Variable) -> Variable {
    guard !MemoryPool.shared.isOverLimit else { return input }
    guard checkpointsBlocks else { return block(input, in: self) }
    let (sequenceLength, recorder, dropout) = (sequenceLength, recorder, dropout)
    let stateBefore = dropout?.state
    return tape.checkpoint(input) { input, isRecomputation in
      let context = ForwardContext(
        tape: input.tape, sequenceLength: sequenceLength,
        recorder: isRecomputation ? nil : recorder, dropout: stateBefore)
      let output = block(input, in: context)
      if !isRecomputation, let state = context.dropout?.state { dropout?.state = state }
      return output
    }
  }
}

/// Where in the computation dropout has come to, shared by the copies of a context.
private final class DropoutPlace {
  var state: Dropout

  init(_ state: Dropout) { self.state = state }
}
