internal import CNanoKernels
internal import NanoPreconditions
internal import NanoTensor

/// Rows of a table by index; the backward pass adds rows back where they came from.
enum GatherOperation {
  struct Saved {
    let indices: [Int32]
    let tableShape: Shape
  }

  static func forward(table: Tensor, indices: [Int32]) -> Tensor {
    let width = table.shape.width
    var output = Tensor(uninitialized: [indices.count, width])
    copyRows(of: .whole(table), indices[...], to: Numbers(output.mutableElements, format: NK_FP32))
    return output
  }

  /// Writes the table's rows, in its format, one behind the other.
  static func copyRows(
    of table: Activation, _ indices: ArraySlice<Int32>, to destination: Numbers
  ) {
    let (shape, numbers, width) = (table.shape, table.numbers, table.shape.width)
    var target = destination
    for index in indices {
      checkPrecondition(
        index >= 0 && index < shape.rowCount, "gathered: row \(index) of a table \(shape)")
      target.update(from: numbers.advanced(by: Int(index) * width), count: width)
      target = target.advanced(by: width)
    }
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(zeros: saved.tableShape)
    kernels.add_to_rows(
      gradient.elements, saved.indices, result.mutableElements, saved.indices.count,
      saved.tableShape.width)
    return result
  }
}

extension Variable {
  /// The rows of this table at `indices`: an embedding look-up.
  /// - Precondition: every index is a row of the table.
  /// - Returns: indices.count × width.
  public func gathered(_ indices: [Int32]) -> Variable {
    let saved = GatherOperation.Saved(indices: indices, tableShape: shape)
    let node = node
    return tape.record(GatherOperation.forward(table: value, indices: indices), inputs: self) {
      gradient, slots in
      slots.accumulate(GatherOperation.backward(gradient, saved), into: node)
    }
  }
}
