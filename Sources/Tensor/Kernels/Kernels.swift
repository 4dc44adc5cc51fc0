package import CNanoKernels

/// The kernel table of the widest instruction set here. `NANO_INSTRUCTION_SET` (`portable`, `avx2`,
/// `avx512`) selects a narrower one, for comparisons.
nonisolated(unsafe) package let kernels: nk_kernels = {
  nk_give_back_large_blocks()
  let best = nk_best_instruction_set()
  let wanted = EnvironmentVariables.instructionSet?.kernelSet ?? best
  guard let table = nk_kernels_for(min(wanted.rawValue, best.rawValue).asInstructionSet) else {
    return nk_kernels_for(best)!.pointee
  }
  return table.pointee
}()

extension nk_kernels {
  /// The matrix product that reads its operands in a precision.
  package func product(
    in precision: Precision
  ) -> @convention(c) (UnsafePointer<nk_product>?) -> Void {
    switch precision {
    case .float32: product
    case .float32Split: product_split
    case .bfloat16: product_bf16
    case .float16: product_fp16
    }
  }

  /// How that product packs its right operand, if several can share what it packs.
  func packing(in precision: Precision) -> nk_packing? {
    precision == .bfloat16 && packing_bf16.pack != nil ? packing_bf16 : nil
  }
}

extension Precision {
  /// What float32 arithmetic rounds its operands to; a split product's are whole.
  package var operandRounding: nk_format {
    switch self {
    case .float32, .float32Split: NK_FP32
    case .bfloat16: NK_BF16
    case .float16: NK_FP16
    }
  }
}

extension UInt32 {
  fileprivate var asInstructionSet: nk_instruction_set { nk_instruction_set(rawValue: self) }
}
