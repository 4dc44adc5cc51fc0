import Foundation
import NanoTestSupport
import Testing

private let step = [
  "bench", "step", "--preset", "stories", "--size", "0.3M", "--vocab", "100", "--context", "16", "--batch", "2",
  "--steps",
  "1", "--json",
]

/// Runs the command with the emulated GPU, in a folder of its own.
private func onGPU(_ arguments: [String], environment: String = "") throws -> CommandResult {
  let folder = try TemporaryFolder()
  return try CommandResult(
    arguments,
    shell: "export NANO_CUDA_LIBRARIES='\(EmulatedGPU.library)' NANO_KIMI_CACHE='\(folder.path)/cache' \(environment)")
}

@Suite(.enabled(if: EmulatedGPU.isAvailable, "\(EmulatedGPU.reasonToSkip ?? "")"))
struct DeviceOptionTests {
  @Test(arguments: [("auto", "Emulated GPU"), ("cuda", "Emulated GPU"), ("cpu", "cpu")])
  func computesWhereItIsTold(_ choice: (device: String, name: String)) throws {
    let result = try onGPU(step + ["--device", choice.device])
    #expect(result.status == 0, "\(result.error)")
    #expect(result.output.contains(#""device":"\#(choice.name)""#), "\(result.output)")
    #expect(result.error.contains("Computing on Emulated GPU.") == (choice.device != "cpu"))
  }

  @Test func whatAGPUCannotDoIsRefusedInOneLine() throws {
    let cases: [(arguments: [String], environment: String, part: String)] = [
      (["--precision", "fp16"], "", "fp16 is not computed on a GPU"),
      ([], "NANO_CUDA_EMULATION_CAPABILITY=7.0", "compute capability 7.0"),
    ]
    for (arguments, environment, part) in cases {
      let result = try onGPU(step + ["--device", "cuda"] + arguments, environment: environment)
      let lines = result.error.split(separator: "\n").filter { $0.contains("rror:") }
      #expect(result.status != 0 && lines.count == 1 && result.error.contains(part), "\(result.error)")
    }
  }
}
