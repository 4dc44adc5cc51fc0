package import CNanoKernels

/// The kernel table of the widest instruction set here. `NANO_INSTRUCTION_SET` (`portable`, `avx2`,
/// `avx512`) selects a narrower one, for comparisons.
nonisolated(unsafe) package let kernels: nk_kernels = {
  nk_give_back_large_blocks()
  let best = nk_best_instruction_set()
  let wanted = InstructionSet.requested?.kernelSet ?? best
  guard let table = nk_kernels_for(min(wanted.rawValue, best.rawValue).asInstructionSet) else {
    return nk_kernels_for(best)!.pointee
  }
  return table.pointee
}()

extension UInt32 {
  fileprivate var asInstructionSet: nk_instruction_set { nk_instruction_set(rawValue: self) }
}
