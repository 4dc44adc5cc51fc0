internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

/// Rows of a table by index; the backward pass adds rows back where they came from.
enum GatherOperation {
  struct Saved {
    let indices: [Int32]
    let tableShape: Shape
    /// The indices on the table's GPU.
    let deviceIndices: DeviceIndices?
  }

  static func forward(table: Tensor, _ saved: Saved) -> Tensor {
    let (width, indices) = (table.shape.width, saved.indices)
    var output = Tensor(uninitialized: [indices.count, width], on: table.gpu)
    if let gpu = table.gpu, let deviceIndices = saved.deviceIndices {
      checkPrecondition(
        indices.allSatisfy { $0 >= 0 && $0 < table.shape.rowCount }, "gathered: a row outside a table \(table.shape)")
      gpu.launch(
        Kernel("embedding", "gather"), blocks: indices.count, threads: 128,
        [
          table.argument, deviceIndices.argument, .output(&output), .int(table.shape.rowCount), .int(width),
        ])
      return output
    }
    kernels.gatherRows(of: table, indices[...], into: &output)
    return output
  }

  /// - Parameter other: on a GPU, what the table's gradient is so far: the rows are added to it.
  static func backward(_ gradient: Tensor, _ saved: Saved, adding other: consuming Tensor? = nil) -> Tensor {
    if let gpu = gradient.gpu, let deviceIndices = saved.deviceIndices {
      let (rows, width) = (saved.tableShape.rowCount, saved.tableShape.width)
      let adds = other != nil
      var result = other ?? Tensor(uninitialized: saved.tableShape, on: gpu)
      other = nil  // so that the result is the only owner
      gpu.launch(
        Kernel("embedding", "gather_backward"), blocks: (rows + 7) / 8, threads: 256,
        [
          deviceIndices.argument, gradient.argument, .output(&result), .int(adds ? 1 : 0),
          .int(saved.indices.count), .int(rows), .int(width),
        ])
      return result
    }
    var result = Tensor(zeros: saved.tableShape)
    kernels.addRows(gradient, at: saved.indices[...], to: &result)
    return result
  }

  /// Adds the rows' gradients to what the table's gradient is so far, in its place: a table may have many rows more than
  /// were looked up. Those of one row are added up first, as if the table had a gradient of its own here.
  static func backward(_ gradient: Tensor, _ saved: Saved, addingTo table: inout Tensor) {
    var places: [Int32: Int32] = [:]
    var rows: [Int32] = []
    let own = saved.indices.map { row in
      if let place = places[row] { return place }
      places[row] = Int32(rows.count)
      rows.append(row)
      return Int32(rows.count - 1)
    }
    var sums = Tensor(zeros: [rows.count, gradient.shape.width])
    kernels.addRows(gradient, at: own[...], to: &sums)
    kernels.addRows(sums, at: rows[...], to: &table)
  }
}

extension Variable {
  /// The rows of this table at `indices`: an embedding look-up.
  /// - Precondition: every index is a row of the table.
  /// - Returns: indices.count × width.
  public func gathered(_ indices: [Int32]) -> Variable {
    let table = value
    let saved = GatherOperation.Saved(
      indices: indices, tableShape: shape, deviceIndices: table.gpu.map { DeviceIndices(indices, on: $0) })
    let node = node
    return tape.record(GatherOperation.forward(table: table, saved), inputs: self) {
      gradient, slots in
      if saved.tableShape.rowCount > saved.indices.count, var table = slots.takeOnHost(node) {
        GatherOperation.backward(gradient, saved, addingTo: &table)
        slots.accumulate(table, into: node)
      } else {
        slots.accumulate(GatherOperation.backward(gradient, saved, adding: slots.takeOnGPU(node)), into: node)
      }
    }
  }
}
