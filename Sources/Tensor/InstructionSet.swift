internal import CNanoKernels

/// A family of vector instructions that the kernels are compiled for.
package enum InstructionSet: String, CaseIterable, Sendable, Codable {
  case portable, avx2, avx512

  /// The widest one that this machine and its operating system support.
  package static var best: InstructionSet {
    allCases.first { $0.kernelSet == nk_best_instruction_set() } ?? .portable
  }

  var kernelSet: nk_instruction_set {
    switch self {
    case .portable: NK_PORTABLE
    case .avx2: NK_AVX2
    case .avx512: NK_AVX512
    }
  }

  /// Whether this machine can run it.
  package var isSupported: Bool { kernelSet.rawValue <= nk_best_instruction_set().rawValue }
}
