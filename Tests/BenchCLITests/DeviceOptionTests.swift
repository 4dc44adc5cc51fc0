import Foundation
import NanoTestSupport
import TensorTestSupport
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

  @Test func resultsNameTheDevice() throws {
    let folder = try TemporaryFolder()
    let run = try onGPU(
      [
        "compare", "--quiet", "--json", "--device", "cuda", "--iterations", "1", "--eval-interval", "1",
        "--eval-iters", "1", "--models", "nanogpt", "--embd", "8", "--layers", "1", "--heads", "2", "--context", "8",
        "--batch", "2", "--out", folder.path + "/run",
      ])
    #expect(run.status == 0 && run.output.contains(#""device" : "Emulated GPU""#), "\(run.error)")
    let generate = ["generate", "--model", folder.path + "/run/nanogpt", "--tokens", "12", "--temperature", "0"]
    let texts = try ["cpu", "cuda"].map { try onGPU(generate + ["--device", $0]).output }
    #expect(texts[0] == texts[1] && texts[0].count > 12)
  }

  /// Runs at once on streams of one device have the bits of runs one after another; one that diverges costs the others
  /// nothing.
  @Test func aStudysRunsShareTheDevice() throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/study.json"
    try Data(#"{"seeds": [1], "grid": {"model": ["nanogpt"], "lr": [0.001, 0.002, 1e30]}}"#.utf8).write(
      to: URL(fileURLWithPath: file))
    let outs = try [1, 3].map { jobs in
      let out = "\(folder.path)/\(jobs)"
      let study = try onGPU(
        [
          "study", file, "--device", "cuda", "--jobs", "\(jobs)", "--out", out, "--iterations", "4", "--eval-interval",
          "4",
          "--eval-iters", "1", "--embd", "8", "--layers", "1", "--heads", "2", "--context", "8", "--batch", "2",
          "--optimizer", "adamw",
        ])
      #expect(study.status == 1 && study.error.contains("training failed in 1 of 3 runs"), "\(study.error)")
      return out
    }
    let weights = try outs.map { out in
      try FileManager.default.contentsOfDirectory(atPath: out).sorted().compactMap {
        FileManager.default.contents(atPath: "\(out)/\($0)/last/model.safetensors")
      }
    }
    #expect(weights[0].count == 2 && weights[0] == weights[1])
  }

  /// Nothing is begun where the device is missing.
  @Test(arguments: [[], ["--preset", "stories", "--size", "0.3M", "--vocab", "400"]])
  func aMissingDriverLeavesNoFolder(_ study: [String]) throws {
    let folder = try TemporaryFolder()
    let run = folder.path + "/run"
    let result = try CommandResult(["compare", "--quiet", "--device", "cuda", "--out", run] + study)
    try #require(result.status != 0, "there is a driver here")
    #expect(result.error.contains("libcuda.so.1") && !FileManager.default.fileExists(atPath: run), "\(result.error)")
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
