internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

extension Variable {
  /// A range of columns of every row.
  /// - Precondition: the range lies in the width.
  public func columns(_ range: Range<Int>) -> Variable {
    checkPrecondition(
      range.lowerBound >= 0 && range.upperBound <= shape.width, "columns: \(range) of \(shape)")
    let (node, shape) = (node, shape)
    return tape.record(content.columns(range), inputs: self) { gradient, slots in
      slots.accumulate(gradient.placed(at: range.lowerBound, in: shape), into: node)
    }
  }

  /// Every row followed by the same row of another: `[x | y]`.
  /// - Precondition: equal row counts.
  public func concatenated(with other: Variable) -> Variable {
    let (left, right) = (shape, other.shape)
    checkPrecondition(left.rowCount == right.rowCount, "concatenated: \(left) and \(right)")
    let (split, end) = (left.width, left.width + right.width)
    let nodes = (node, other.node)
    let result =
      value.placed(at: 0, in: [left.rowCount, end]) + other.value.placed(at: split, in: [left.rowCount, end])
    return tape.record(result, inputs: self, other) { gradient, slots in
      let gradient = Activation.whole(gradient)
      slots.accumulate(gradient.columns(0..<split).reshaped(left), into: nodes.0)
      slots.accumulate(gradient.columns(split..<end).reshaped(right), into: nodes.1)
    }
  }
}

extension Activation {
  /// A range of columns of every row, in 32 bits a number.
  fileprivate func columns(_ range: Range<Int>) -> Tensor {
    var result = Tensor(uninitialized: [shape.rowCount, range.count], on: gpu)
    if let gpu {
      gpu.launchColumns("take_columns", range, of: shape, from: numbers, to: &result)
    } else {
      kernels.copyColumns(range.count, of: tensor, from: range.lowerBound, to: &result, at: 0)
    }
    return result
  }
}

extension Tensor {
  /// The columns, from `first` on, of a tensor of zeros elsewhere.
  fileprivate func placed(at first: Int, in target: Shape) -> Tensor {
    let width = shape.width
    if let gpu {
      var result = Tensor(uninitialized: target, on: gpu)
      gpu.launchColumns("place_columns", first..<first + width, of: target, from: numbers, to: &result)
      return result
    }
    var result = Tensor(zeros: target)
    kernels.copyColumns(width, of: self, from: 0, to: &result, at: first)
    return result
  }
}

extension CUDADevice {
  /// - Parameter shape: of what the range is of.
  fileprivate func launchColumns(
    _ name: String, _ range: Range<Int>, of shape: Shape, from source: Numbers, to target: inout Tensor
  ) {
    launch(
      Kernel("columns", name), blocks: shape.rowCount, threads: 128,
      [source.argument, source.formatArgument, .output(&target), target.numbers.formatArgument]
        + [shape.width, range.lowerBound, range.count].map { .int($0) })
  }
}
