import ArgumentParser
import NanoLayers
import NanoModels
import NanoTensor

/// Where a command computes.
struct DeviceOption: ParsableArguments {
  enum Choice: String, CaseIterable, ExpressibleByArgument {
    case auto, cpu, cuda
  }

  @Option(
    """
    Where to compute: cpu; cuda, an NVIDIA GPU; or auto, a GPU where there is a driver and a device. The CPU's results \
    have the same bits on every machine of one instruction set; a GPU's differ from them in the last digits
    """, "name")
  var device = Choice.auto

  @Flag(name: .customLong("tf32"), help: "On a GPU, let float32 products round their operands to 10 bits of precision.")
  var allowsTF32 = false

  @Flag(
    name: .customLong("allow-mixed"),
    help: "Under MPI, let hosts with different vector instructions share a run; its bits then depend on them.")
  var allowsMixedRanks = false

  func validate() throws {
    guard device != .cpu || !allowsTF32 else {
      throw ValidationError("--tf32 is of a GPU; --device cpu has no use for it")
    }
    guard Ranks.count > 1 || !allowsMixedRanks else {
      throw ValidationError("--allow-mixed is of several ranks, and this process is alone; leave it out")
    }
  }

  /// The device, with a line on standard error if it is a GPU.
  /// - Throws: what is missing, when a GPU is asked for by name, or what is not computed there.
  func resolved(
    precision: Precision = .float32, dropout: Float = 0, model: DecoderConfiguration? = nil
  ) throws -> Device {
    if device == .cpu { return .cpu }
    let found: Device
    do { found = try Device.cuda() } catch {
      if device == .cuda { throw error }
      guard !allowsTF32 else { throw ValidationError("--tf32 is of a GPU, and here is none: \(error)") }
      return .cpu
    }
    let obstacle: String? =
      if !found.supports(precision) {
        "--precision \(precision.rawValue) is not computed on a GPU; use fp32, fp32-split or bf16"
      } else if dropout > 0 {
        "dropout is not computed on a GPU; leave it out"
      } else if model?.sparseMoE?.groups != nil {
        "groups of experts are not computed on a GPU"
      } else {
        nil
      }
    if let obstacle {
      guard device == .auto else { throw ValidationError(obstacle + ", or use --device cpu") }
      return .cpu
    }
    found.allowsTF32 = allowsTF32
    Terminal.writeError("Computing on \(found).")
    return found
  }
}
