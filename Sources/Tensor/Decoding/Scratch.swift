/// Memory for numbers that are computed and read again at once. It grows where more is asked for, and what was in it is
/// then lost.
package final class Scratch<Number: BitwiseCopyable> {
  private var storage: TensorStorage?
  private var bytes = 0

  package init() {}

  /// At least so many numbers, of undefined value.
  package func numbers(_ count: Int) -> UnsafeMutablePointer<Number> {
    let needed = count * MemoryLayout<Number>.stride
    if needed > bytes || storage == nil {
      storage = TensorStorage(count: (needed + 3) / 4)
      bytes = needed
    }
    return UnsafeMutableRawPointer(storage!.elements).assumingMemoryBound(to: Number.self)
  }
}

/// Rows of floats in memory that somebody else holds.
package struct Rows {
  package let start: UnsafeMutablePointer<Float>
  /// Floats from one row to the next.
  package let stride: Int

  package init(_ start: UnsafeMutablePointer<Float>, stride: Int) {
    self.start = start
    self.stride = stride
  }

  /// The rows from an index on.
  package subscript(row: Int) -> Rows { Rows(start + row * stride, stride: stride) }

  /// The same rows from a column on.
  package func from(column: Int) -> Rows { Rows(start + column, stride: stride) }
}

extension Scratch where Number == Float {
  /// At least so many rows, of undefined value.
  package func rows(_ count: Int, width: Int) -> Rows { Rows(numbers(count * width), stride: width) }
}
