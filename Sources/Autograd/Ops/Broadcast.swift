internal import NanoPreconditions
internal import NanoTensor

extension Variable {
  /// One row for all: N rows of these W elements, such as a factor a channel; the gradient is the sum of all rows'.
  ///
  /// ```swift
  /// let scaled = x * gain.broadcast(rows: x.shape.rowCount)  // y_nw = x_nw · g_w
  /// ```
  /// - Returns: N × W, for any shape of W elements.
  public func broadcast(rows: Int) -> Variable {
    checkPrecondition(rows >= 0, "broadcast: \(shape) to \(rows) rows")
    return reshaped([1, shape.elementCount]).gathered([Int32](repeating: 0, count: rows))
  }

  /// One element a row: each of these N elements in W columns, such as a factor a position; the gradient of an element is
  /// the sum of its row's.
  /// - Returns: N × W, for any shape of N elements.
  /// - Precondition: on the host; on a GPU it is not computed yet.
  public func broadcast(columns: Int) -> Variable {
    let (node, shape, rows) = (node, shape, shape.elementCount)
    let input = value
    checkPrecondition(
      columns > 0 && input.gpu == nil,
      "broadcast: \(shape) to \(columns) columns on \(input.device); on the host only, and at least one")
    var output = Tensor(uninitialized: [rows, columns])
    input.withElements { x in
      output.withMutableElements { y in
        for row in 0..<rows {
          for column in 0..<columns { y[row * columns + column] = x[row] }
        }
      }
    }
    return tape.record(output, inputs: self) { gradient, slots in
      var result = Tensor(zeros: shape)
      gradient.withElements { dy in
        result.withMutableElements { dx in
          for row in 0..<rows {
            for column in 0..<columns { dx[row] += dy[row * columns + column] }
          }
        }
      }
      slots.accumulate(result, into: node)
    }
  }
}
