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
  public let tape: Tape
  /// Rows of one sequence.
  public let sequenceLength: Int
  /// Where layers report what they saw; nil when nobody asks.
  public let recorder: StatisticsRecorder?
  /// Whether blocks keep only their input and run again in the backward pass.
  public let checkpointsBlocks: Bool

  public init(
    tape: Tape, sequenceLength: Int, recorder: StatisticsRecorder? = nil,
    checkpointsBlocks: Bool = false
  ) {
    self.tape = tape
    self.sequenceLength = sequenceLength
    self.recorder = recorder
    self.checkpointsBlocks = checkpointsBlocks
  }

  /// Runs a block, checkpointed if that is wanted. What it reports is reported once.
  ///
  /// Once tensors have passed the memory limit, blocks are skipped: whoever set the limit asks afterwards.
  public func run(_ block: some Layer, on input: Variable) -> Variable {
    guard !MemoryPool.shared.isOverLimit else { return input }
    guard checkpointsBlocks else { return block(input, in: self) }
    let (sequenceLength, recorder) = (sequenceLength, recorder)
    return tape.checkpoint(input) { input, isRecomputation in
      block(
        input,
        in: ForwardContext(
          tape: input.tape, sequenceLength: sequenceLength,
          recorder: isRecomputation ? nil : recorder))
    }
  }
}
