/// The formats of numbers on a device, as kernels number them.
package enum DeviceFormat: Int32, Sendable {
  case float32 = 0
  case bfloat16 = 1

  package var bytesPerNumber: Int { self == .float32 ? 4 : 2 }
}

/// A matrix, or a batch of equal ones, in a device's memory, read either way round.
package struct DeviceMatrix: Hashable {
  package var address: UnsafeMutableRawPointer
  package var format: DeviceFormat
  package var rows, columns: Int
  /// Numbers from one row to the next as it is stored.
  package var leading: Int
  /// Whether rows of the matrix are columns of what is stored.
  package var isTransposed: Bool
  /// Numbers from one matrix of a batch to the next; 0 for the same one.
  package var batchStride: Int

  package init(
    _ address: UnsafeMutableRawPointer, format: DeviceFormat, rows: Int, columns: Int, leading: Int? = nil,
    isTransposed: Bool = false, batchStride: Int = 0
  ) {
    self.address = address
    self.format = format
    self.rows = rows
    self.columns = columns
    self.leading = leading ?? (isTransposed ? rows : columns)
    self.isTransposed = isTransposed
    self.batchStride = batchStride
  }

  package var transposed: DeviceMatrix {
    var matrix = self
    (matrix.rows, matrix.columns, matrix.isTransposed) = (columns, rows, !isTransposed)
    return matrix
  }

  /// The same at another address.
  func at(_ address: UnsafeMutableRawPointer) -> DeviceMatrix {
    var matrix = self
    matrix.address = address
    return matrix
  }

  /// The largest power of two, to 256, that the address is a multiple of, in bytes.
  var alignment: Int { min(256, 1 << UInt(bitPattern: address).trailingZeroBitCount) }
}
