package import CNanoKernels

/// Where numbers lie, and their format. Valid while what holds them lives.
package struct Numbers {
  package let start: UnsafeMutableRawPointer
  package let format: nk_format

  package init(_ start: UnsafeMutableRawPointer, format: nk_format) {
    self.start = start
    self.format = format
  }

  /// Those from the `count`-th on.
  package func advanced(by count: Int) -> Numbers {
    Numbers(start + count * bytesPerNumber, format: format)
  }

  /// Writes `count` numbers of the same format here.
  package func update(from source: Numbers, count: Int) {
    start.copyMemory(from: source.start, byteCount: count * bytesPerNumber)
  }

  package var bytesPerNumber: Int {
    format == NK_FP32 ? MemoryLayout<Float>.stride : MemoryLayout<UInt16>.stride
  }

  /// Whether products in a precision take them as they are.
  func isReadable(in precision: Precision) -> Bool {
    format == NK_FP32 || format == precision.operandRounding
  }

  /// Themselves as float32, if they are that.
  var floats: UnsafeMutablePointer<Float>? {
    format == NK_FP32 ? start.assumingMemoryBound(to: Float.self) : nil
  }

  /// Themselves as 16 bits each, if they are that.
  var halves: UnsafeMutablePointer<UInt16>? {
    format == NK_FP32 ? nil : start.assumingMemoryBound(to: UInt16.self)
  }
}
