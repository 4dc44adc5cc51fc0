internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

extension Variable {
  /// Every row followed by the same row of another: `[x | y]`.
  /// - Precondition: equal row counts.
  public func concatenated(with other: Variable) -> Variable {
    let (rows, left, right) = (shape.rowCount, shape.width, other.shape.width)
    checkPrecondition(rows == other.shape.rowCount, "concatenated: \(shape) and \(other.shape)")
    let nodes = (node, other.node)
    return tape.record(
      value.placed(at: 0, of: left + right) + other.value.placed(at: left, of: left + right), inputs: self, other
    ) { gradient, slots in
      // On a tape that does not record, the columns are the gradients.
      let both = Tape(recording: false).constant(gradient)
      slots.accumulate(both.columns(0..<left).value.reshaped([rows, left]), into: nodes.0)
      slots.accumulate(both.columns(left..<left + right).value.reshaped([rows, right]), into: nodes.1)
    }
  }
}

extension Tensor {
  /// The rows as columns, from `first` on, of rows of zeros.
  fileprivate func placed(at first: Int, of width: Int) -> Tensor {
    let (rows, count) = (shape.rowCount, shape.width)
    if let gpu {
      let result = Tensor(uninitialized: [rows, width], on: gpu)
      gpu.launch(
        Kernel("columns", "place_columns"), blocks: rows, threads: 128,
        [argument, numbers.formatArgument, result.argument, result.numbers.formatArgument]
          + [width, first, count].map { .int($0) })
      return result
    }
    var result = Tensor(zeros: [rows, width])
    kernels.copyColumns(count, of: self, from: 0, to: &result, at: first)
    return result
  }
}
