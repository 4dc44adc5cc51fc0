internal import CNanoKernels

/// The numeric kernels of the host, as Swift calls them: tensors go in and come out, and no address leaves.
///
/// An operand is read while its caller holds it; a result is `inout`, or made. All work on one thread.
package struct Kernels: @unchecked Sendable {
  /// Functions compiled for one instruction set; they live as long as the process.
  let table: UnsafePointer<nk_kernels>

  /// What the instruction sets are called whose kernels these are.
  var name: String { String(cString: table.pointee.name) }

  /// Those of an instruction set, or of the widest one here that is narrower.
  init(_ set: InstructionSet) {
    let widest = nk_best_instruction_set()
    let supported = set.kernelSet.rawValue < widest.rawValue ? set.kernelSet : widest
    // Every narrower set is supported too, and the portable one everywhere.
    table = nk_kernels_for(supported) ?? nk_kernels_for(NK_PORTABLE)!
  }
}

/// The kernels of the widest instruction set here. `NANO_INSTRUCTION_SET` (`portable`, `avx2`, `avx512`) selects a
/// narrower one, for comparisons.
package let kernels: Kernels = {
  nk_set_refusal_handler { MemoryPool.shared.refuse($0) }
  return Kernels(EnvironmentVariables.instructionSet ?? .best)
}()
