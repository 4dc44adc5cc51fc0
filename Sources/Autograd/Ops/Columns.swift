internal import NanoPreconditions
internal import NanoCUDA
internal import NanoTensor

extension Variable {
  /// A range of columns of every row.
  /// - Precondition: the range lies in the width.
  public func columns(_ range: Range<Int>) -> Variable {
    let (rows, width) = (shape.rowCount, shape.width)
    checkPrecondition(
      range.lowerBound >= 0 && range.upperBound <= width, "columns: \(range) of \(shape)")
    if let gpu = content.gpu { return columns(range, on: gpu) }
    var output = Tensor(uninitialized: [rows, range.count])
    kernels.copyColumns(range.count, of: value, from: range.lowerBound, to: &output, at: 0)
    let (node, shape) = (node, shape)
    return tape.record(output, inputs: self) { gradient, slots in
      var result = Tensor(zeros: shape)
      kernels.copyColumns(range.count, of: gradient, from: 0, to: &result, at: range.lowerBound)
      slots.accumulate(result, into: node)
    }
  }

  private func columns(_ range: Range<Int>, on gpu: CUDADevice) -> Variable {
    let (node, shape) = (node, shape)
    func launch(_ name: String, from source: Numbers, to target: Numbers) {
      gpu.launch(
        Kernel("columns", name), blocks: shape.rowCount, threads: 128,
        [source.argument, source.formatArgument, target.argument, target.formatArgument]
          + [shape.width, range.lowerBound, range.count].map { .int($0) })
    }
    let output = Tensor(uninitialized: [shape.rowCount, range.count], on: gpu)
    launch("take_columns", from: content.numbers, to: output.numbers)
    return tape.record(output, inputs: self) { gradient, slots in
      let result = Tensor(uninitialized: shape, on: gpu)
      launch("place_columns", from: gradient.numbers, to: result.numbers)
      slots.accumulate(result, into: node)
    }
  }
}
