internal import CNanoKernels
internal import NanoPreconditions

// Rows and columns copied and added up.

extension Kernels {
  /// Writes a table's rows at `indices` one behind the other; the result has the table's format.
  /// - Precondition: every index is a row of the table, and the result has room.
  package func gatherRows(
    of table: some TensorProtocol, _ indices: ArraySlice<Int32>, into result: inout some TensorProtocol
  ) {
    let (shape, width, source) = (table.shape, table.shape.width, table.numbers)
    checkPrecondition(
      indices.count * width <= result.shape.elementCount,
      "gathered: \(indices.count) rows of a table \(shape) into \(result.shape)")
    let bytes = width * source.dtype.byteCount
    result.withMutableNumbers {
      var target = $0.host
      let start = source.host
      for index in indices {
        checkPrecondition(
          index >= 0 && index < shape.rowCount, "gathered: row \(index) of a table \(shape)")
        target.copyMemory(from: start + Int(index) * bytes, byteCount: bytes)
        target += bytes
      }
    }
  }

  /// Writes rows of x, all from `first` on or `count` of them, in place of those of the result from `row` on; the formats
  /// are one.
  package func copyRows(
    _ count: Int? = nil, of x: some TensorProtocol, from first: Int = 0, to result: inout some TensorProtocol,
    at row: Int
  ) {
    let (shape, target, width) = (x.shape, result.shape, x.shape.width)
    let count = count ?? shape.rowCount - first
    checkPrecondition(
      count >= 0 && first >= 0 && first + count <= shape.rowCount && width == target.width && row >= 0
        && row + count <= target.rowCount,
      "copyRows: \(count) from \(first) of \(shape) to \(row) of \(target)")
    let source = x.numbers.advanced(by: first * width)
    result.withMutableNumbers {
      $0.advanced(by: row * width).host.copyMemory(
        from: source.host, byteCount: count * width * source.dtype.byteCount)
    }
  }

  /// Adds each of the first rows of x to the row of the result that its index tells; one may come more than once.
  /// - Precondition: every index is a row of the result.
  package func addRows(_ x: Tensor, at indices: ArraySlice<Int32>, to result: inout Tensor) {
    let rows = result.shape.rowCount
    checkPrecondition(
      indices.allSatisfy { $0 >= 0 && $0 < rows } && indices.count <= x.shape.rowCount,
      "addRows: \(indices.count) rows of \(x.shape) to those of \(result.shape)")
    let sums = result.mutableElements
    indices.withUnsafeBufferPointer {
      guard let indices = $0.baseAddress else { return }
      table.pointee.add_to_rows(x.elements, indices, sums, $0.count, x.shape.width)
    }
  }

  /// Copies `count` columns of every row, from `column` on, to columns of the result, which has the same format.
  ///
  /// Where the result has more rows, each row goes to as many one below the other.
  package func copyColumns(
    _ count: Int, of x: some TensorProtocol, from column: Int, to result: inout some TensorProtocol,
    at targetColumn: Int
  ) {
    let (shape, target, source) = (x.shape, result.shape, x.numbers)
    let copies = shape.rowCount == 0 ? 0 : target.rowCount / shape.rowCount
    checkPrecondition(
      column >= 0 && column + count <= shape.width && targetColumn >= 0 && targetColumn + count <= target.width
        && copies * shape.rowCount == target.rowCount,
      "copyColumns: \(count) from \(column) of \(shape) to \(targetColumn) of \(target)")
    let size = source.dtype.byteCount
    result.withMutableNumbers {
      var (from, to) = (UnsafeRawPointer(source.host) + column * size, $0.host + targetColumn * size)
      for _ in 0..<shape.rowCount {
        for _ in 0..<copies {
          to.copyMemory(from: from, byteCount: count * size)
          to += target.width * size
        }
        from += shape.width * size
      }
    }
  }

  /// Adds to row g of the result the sum of the g-th `count` rows of x.
  /// - Precondition: as many groups as the result has rows, as wide.
  package func addRowSums(of x: some TensorProtocol, groupsOf count: Int, to result: inout Tensor) {
    let (shape, width, source) = (x.shape, x.shape.width, x.numbers)
    checkPrecondition(
      result.shape.elementCount * count == shape.elementCount,
      "addRowSums: of \(shape), \(count) rows at a time, to \(result.shape)")
    let groups = width == 0 ? 0 : result.shape.elementCount / width
    let sums = result.mutableElements
    let size = SharedWork.rowsPerPart(of: count, width: width)
    if SharedWork.isShared, groups == 1, count > size {
      return addUp(source, rows: count, width: width, partsOf: size, to: sums)
    }
    for group in 0..<groups {
      table.pointee.add_row_sums(
        source.advanced(by: group * count * width).host, sums + group * width, count, width,
        source.dtype.kernelValue)
    }
  }

  /// Adds rows up by threads that share the work: each part of the rows to sums of its own, then those in order.
  private func addUp(
    _ rows: Numbers, rows count: Int, width: Int, partsOf size: Int, to sums: UnsafeMutablePointer<Float>
  ) {
    let parts = (count + size - 1) / size
    var partSums = Tensor(zeros: [parts, width])
    let first = partSums.mutableElements
    SharedWork.forEachPart(of: count, size: size) { part in
      table.pointee.add_row_sums(
        rows.host(part.lowerBound * width), first + part.lowerBound / size * width, part.count, width,
        rows.dtype.kernelValue)
    }
    table.pointee.add_row_sums(first, sums, parts, width, NK_FP32)
  }

  /// Turns pairs of channels of every head of every row by the angles of the row's position; see ``Rotation``.
  package func rotate(_ rows: inout some TensorProtocol, cosines: Tensor, sines: Tensor, _ rotation: Rotation) {
    let (rowCount, pairs) = (rows.shape.rowCount, cosines.shape.width)
    let headCount = rows.shape.width / rotation.headWidth
    let (cosines, sines) = (cosines.elements, sines.elements)
    rows.withMutableNumbers {
      let (start, size, type) = ($0.host, $0.dtype.byteCount, $0.dtype.kernelValue)
      SharedWork.forEachPart(ofRows: rowCount, width: headCount * rotation.headWidth) { part in
        for row in part {
          let angles = (rotation.firstPosition + row % rotation.sequenceLength) * pairs
          for head in 0..<headCount {
            let channels = start + ((row * headCount + head) * rotation.headWidth + rotation.offset) * size
            table.pointee.rotate(
              channels, cosines + angles, sines + angles, channels, pairs, rotation.isInterleaved, rotation.isInverse,
              type)
          }
        }
      }
    }
  }
}

/// Which channels of a row are turned, and how.
package struct Rotation {
  package var sequenceLength, headWidth: Int
  /// The first channel of each head that is turned.
  package var offset: Int
  /// The position of the first row of each sequence.
  package var firstPosition: Int
  /// Whether channels 2i and 2i + 1 form a pair, or i and i + pairs.
  package var isInterleaved: Bool
  package var isInverse: Bool

  package init(
    sequenceLength: Int, headWidth: Int, offset: Int, firstPosition: Int, isInterleaved: Bool, isInverse: Bool
  ) {
    self.sequenceLength = sequenceLength
    self.headWidth = headWidth
    self.offset = offset
    self.firstPosition = firstPosition
    self.isInterleaved = isInterleaved
    self.isInverse = isInverse
  }
}
