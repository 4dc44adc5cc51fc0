internal import NanoPreconditions
internal import NanoTensor

extension Variable {
  /// A range of columns of every row.
  /// - Precondition: the range lies in the width.
  public func columns(_ range: Range<Int>) -> Variable {
    let (rows, width) = (shape.rowCount, shape.width)
    checkPrecondition(
      range.lowerBound >= 0 && range.upperBound <= width, "columns: \(range) of \(shape)")
    var output = Tensor(uninitialized: [rows, range.count])
    let input = value
    let destination = output.mutableElements
    for row in 0..<rows {
      (destination + row * range.count).update(
        from: input.elements + row * width + range.lowerBound, count: range.count)
    }
    let (node, shape) = (node, shape)
    return tape.record(output, inputs: self) { gradient, slots in
      var result = Tensor(zeros: shape)
      let destination = result.mutableElements
      for row in 0..<rows {
        (destination + row * width + range.lowerBound).update(
          from: gradient.elements + row * range.count, count: range.count)
      }
      slots.accumulate(result, into: node)
    }
  }
}
