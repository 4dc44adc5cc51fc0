package import CNanoKernels
package import NanoCUDA

/// Where numbers lie, and their format. Valid while what holds them lives.
package struct Numbers {
  package let start: UnsafeMutableRawPointer
  package let format: nk_format
  /// Whose memory it is; nil for the host's.
  package let gpu: CUDADevice?

  package init(_ start: UnsafeMutableRawPointer, format: nk_format, on gpu: CUDADevice? = nil) {
    self.start = start
    self.format = format
    self.gpu = gpu
  }

  /// Those from the `count`-th on.
  package func advanced(by count: Int) -> Numbers {
    Numbers(start + count * bytesPerNumber, format: format, on: gpu)
  }

  /// Writes `count` numbers of the same format here.
  package func update(from source: Numbers, count: Int) {
    if let gpu {
      gpu.copy(from: source.start, to: start, bytes: count * bytesPerNumber)
    } else {
      start.copyMemory(from: source.start, byteCount: count * bytesPerNumber)
    }
  }

  package var bytesPerNumber: Int {
    format == NK_FP32 ? MemoryLayout<Float>.stride : MemoryLayout<UInt16>.stride
  }

  /// Whether products in a precision take them as they are.
  func isReadable(in precision: Precision) -> Bool {
    format == NK_FP32 || format == precision.operandRounding
  }

  /// Themselves as float32, if they are that and on the host.
  var floats: UnsafeMutablePointer<Float>? {
    format == NK_FP32 && gpu == nil ? start.assumingMemoryBound(to: Float.self) : nil
  }

  /// Themselves as 16 bits each, if they are that.
  var halves: UnsafeMutablePointer<UInt16>? {
    format == NK_FP32 ? nil : start.assumingMemoryBound(to: UInt16.self)
  }
}
