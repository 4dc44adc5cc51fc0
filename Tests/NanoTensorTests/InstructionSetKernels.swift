import CNanoKernels
import NanoTensor
import Testing

extension InstructionSet {
  /// The kernels compiled for it.
  func kernels() throws -> nk_kernels {
    let set =
      switch self {
      case .portable: NK_PORTABLE
      case .avx2: NK_AVX2
      case .avx512: NK_AVX512
      }
    return try #require(nk_kernels_for(set)).pointee
  }
}

extension nk_kernels {
  /// The matrix product that reads its operands in a precision.
  func gemm(in precision: Precision) -> @convention(c) (UnsafePointer<nk_gemm>?) -> Void {
    switch precision {
    case .float32: gemm
    case .float32Split: gemm_split
    case .bfloat16: gemm_bf16
    case .float16: gemm_fp16
    }
  }
}

extension Precision {
  /// What products round float32 operands to.
  var rounding: nk_format {
    switch self {
    case .float32, .float32Split: NK_FP32
    case .bfloat16: NK_BF16
    case .float16: NK_FP16
    }
  }
}

/// A matrix for a product, row-major or, where its columns lie one behind the other, transposed.
func operand(
  _ start: UnsafeRawPointer, _ format: nk_format = NK_FP32, transposed: Bool = false, stride: Int
) -> nk_operand {
  nk_operand(start: start, format: format, is_packed: false, is_transposed: transposed, stride: stride)
}

extension Tensor {
  /// The elements, for kernels that a test calls by hand while it holds the tensor.
  var elements: UnsafeMutablePointer<Float> { numbers.start.assumingMemoryBound(to: Float.self) }
}
