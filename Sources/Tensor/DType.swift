internal import CNanoKernels

/// How numbers lie in memory. Arithmetic is float32 in every case.
public enum DType: String, CaseIterable, Hashable, Sendable {
  case float32, bfloat16, float16

  /// Bytes of one number.
  public var byteCount: Int { self == .float32 ? MemoryLayout<Float>.stride : MemoryLayout<UInt16>.stride }

  /// As kernels number it.
  var kernelValue: nk_format {
    switch self {
    case .float32: NK_FP32
    case .bfloat16: NK_BF16
    case .float16: NK_FP16
    }
  }
}

extension HalfTensor.Format {
  package var dtype: DType { self == .bfloat16 ? .bfloat16 : .float16 }
}

extension Precision {
  /// What float32 arithmetic rounds its operands to; a split product's are whole.
  package var operandType: DType { activationFormat?.dtype ?? .float32 }
}
