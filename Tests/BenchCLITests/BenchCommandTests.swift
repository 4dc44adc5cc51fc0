import Foundation
import OperationBenchmarks
import Testing

@Test func benchStepPrintsItsNames() throws {
  let result = try CommandResult(
    ["bench", "step", "--model", "nanokimi", "--steps", "3", "--json", "--embd", "16", "--layers", "1"])
  let object = try #require(
    try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
  for key in [
    "model", "precision", "parameters", "shards", "trainStepMedianMs", "trainStepMinMs",
    "forwardMedianMs", "forwardMinMs", "tokensPerSecond",
  ] { #expect(object[key] != nil, "\(key)") }
  for key in ["trainStepUtilization", "forwardUtilization"] {
    let share = try #require(object[key] as? Double, "\(key)")
    #expect(share > 0 && share < 1.2, "\(key)")
  }
}

@Test func aStepIsThatOfThePresetsModel() throws {
  for (flags, model) in [([], "nanogpt"), (["--preset", "best"], "nanobest")] {
    let result = try CommandResult(
      ["bench", "step", "--steps", "1", "--json", "--embd", "16", "--layers", "1"] + flags)
    #expect(result.output.contains("\"model\":\"\(model)\""), "\(result.output)\(result.error)")
  }
}

@Test func benchGeneratePrintsItsNames() throws {
  for flags in [
    ["--model", "nanokimi"], ["--model", "nanobest"], ["--size", "0.3M", "--precision", "int8", "--threads", "2"],
  ] {
    let result = try CommandResult(
      ["bench", "generate", "--json", "--tokens", "4", "--batch", "3", "--repeats", "1"] + flags)
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any], "\(result.error)")
    for key in [
      "promptTokensPerSecond", "tokensPerSecond", "batchTokensPerSecond", "readGBPerSecond", "bandwidthShare",
      "weightBytesPerToken", "peakResidentBytes",
    ] { #expect((object[key] as? Double ?? 0) > 0, "\(key)") }
  }
  let long = try CommandResult(["bench", "generate", "--model", "nanokimi", "--prompt", "30", "--tokens", "30"])
  #expect(long.status != 0 && long.error.contains("context is 32"), "\(long.error)")
}

@Test func benchOpsMeasuresEveryOperation() throws {
  let result = try CommandResult(["bench", "ops", "--json"])
  let report = try JSONDecoder().decode(OperationBenchmark.self, from: Data(result.output.utf8))
  #expect(report.peakGFLOPS > 0 && report.peakGBPS > 0)
  #expect(!report.products.isEmpty && report.products.allSatisfy { $0.own > 0 && $0.bf16 > 0 })
  #expect(!report.attention.isEmpty && report.attention.allSatisfy { $0.own > 0 && $0.bf16 > 0 })
  let names = report.operations.filter { $0.gigabytesPerSecond > 0 }.map(\.name)
  #expect(names.contains("SwiGLU backward") && Set(names).count == report.operations.count)
}

@Test func someOperationsAreMeasuredAlone() throws {
  let result = try CommandResult(["bench", "ops", "--json", "--only", "NORM"])
  let report = try JSONDecoder().decode(OperationBenchmark.self, from: Data(result.output.utf8))
  #expect(report.products.isEmpty && report.attention.isEmpty)
  #expect(report.operations.count == 4 && report.operations.allSatisfy { $0.name.contains(" norm") }, "\(report)")
}

/// A flag without effect would mislead.
@Test func flagsThatAStepHasNoUseForAreRefused() throws {
  for flags in [
    ["--iterations", "5"], ["--eval-interval", "5"], ["--eval-iters", "5"], ["--memory-limit", "1GB"],
    ["--warmup", "5"],
    ["--schedule", "cosine"],
  ] {
    for study in [[], ["--preset", "stories"]] {
      let result = try CommandResult(["bench", "step"] + study + flags)
      #expect(result.status != 0 && result.error.contains(flags[0]), "\(flags): \(result.error)")
    }
  }
  let stories = try CommandResult(["bench", "step", "--preset", "stories", "--vocabulary", "65"])
  #expect(stories.status != 0 && stories.error.contains("--vocabulary"), "\(stories.error)")
}
