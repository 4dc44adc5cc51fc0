import Foundation
import NanoData
import NanoExperiments
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

@Test func storiesEndToEnd() throws {
  let stories = try Stories()
  let result = try stories.compare(
    [
      "--iterations", "30", "--eval-interval", "10", "--eval-iters", "5", "--sample-every", "15",
      "--checkpoint-every", "10",
    ], out: "run")
  #expect(result.status == 0, "\(result.error)")
  for words in ["Active-matched", "Total-matched", "Wall-clock-matched", "bits per character"] {
    #expect(result.output.contains(words))
  }
  let results = try stories.results("run")
  #expect(results.models.map(\.name) == ["nanogpt", "nanokimik2", "nanogpt-total"])
  for model in results.models {
    #expect(model.bestValidationLoss < log(400.0) && model.curve.map(\.step) == [0, 10, 20, 30])
    // Five windows of 32 on the way; at the end everything, and those five once more.
    #expect(model.curve.map(\.validation.tokens).dropLast().allSatisfy { $0 == 160 })
    #expect(model.curve.map { $0.nllOfWindows == nil } == [true, true, true, false])
    let end = try #require(model.curve.last)
    #expect(end.validation.tokens > 160 && end.comparableNLL != end.validation.nllPerToken)
    #expect(abs(end.comparableNLL - end.validation.nllPerToken) < 1)
    #expect(model.bitsPerCharacter > 0 && model.tokensPerSecond > 0 && model.peakTensorBytes > 0)
    let metrics = String(decoding: try stories.file("run/\(model.name)/metrics.csv"), as: UTF8.self)
    let lines = metrics.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    #expect(lines.count == 31 && lines.allSatisfy { $0.count == lines[0].count })
    let loads = zip(lines[0], lines[30])
      .filter { $0.0.hasPrefix("mixture1_load") && $0.0.last!.isNumber }.compactMap { Double($0.1) }
    #expect(loads.isEmpty == (model.name != "nanokimik2"))
    #expect(loads.isEmpty || abs(loads.reduce(0, +) - 1) < 1e-5)
    #expect(lines[0].contains("attention1_largest_logit"))
  }
  let (kimi, total) = (results.models[1], results.models[2])
  #expect(abs(total.parameters - kimi.parameters) < kimi.parameters / 5)
  for name in ["comparison_graph.png", "loss_curves.png", "memory.png", "experts.png"] {
    #expect(try stories.file("run/" + name).starts(with: [0x89, 0x50, 0x4E, 0x47]))
  }
  let samples = String(decoding: try stories.file("run/samples.md"), as: UTF8.self)
  #expect(samples.contains("## Step 15") && samples.contains("## Step 30"))
  for title in results.models.map(\.title) { #expect(result.output.contains("\(title) writes:\n  ")) }
  // What was asked for, and what a run of so few steps made of it.
  #expect(results.study.arms.allSatisfy { $0.experiment.schedule.warmUpSteps == 100 })
  #expect(results.models.allSatisfy { $0.warmUpSteps == 15 && $0.loadAverageAtEnd ?? 0 >= 0 })

  // What was trained is what is read back.
  let model = stories.folder.path + "/run/nanokimik2"
  let evaluation = try stories.run(["evaluate", "--model", model, "--data", stories.data, "--json"])
  #expect(evaluation.status == 0, "\(evaluation.error)")
  let scored = try JSONDecoder().decode(Evaluation.self, from: Data(evaluation.output.utf8))
  let final = try #require(kimi.curve.last).validation
  #expect(scored.balanceLoss ?? 0 > 0.5 && scored.zLoss ?? 0 > 0 && scored.maximalViolation ?? -1 >= 0)
  #expect(scored.tokens == final.tokens && abs(scored.nllPerToken - final.nllPerToken) < 1e-9)

  let first = try stories.run(["generate", "--model", model, "--tokens", "20", "--seed", "3"])
  let second = try stories.run(["generate", "--model", model, "--tokens", "20", "--seed", "3"])
  #expect(first.status == 0 && first.output == second.output)
  #expect(first.error.contains("tokens/s"))

  let (exported, imported) = (stories.folder.path + "/hf", stories.folder.path + "/back")
  #expect(try stories.run(["export", "--model", model, "--out", exported]).status == 0)
  #expect(try stories.run(["import", "--model", exported, "--out", imported]).status == 0)
  #expect(try stories.file("back/model.safetensors") == stories.file("run/nanokimik2/model.safetensors"))
}

@Test func memoryLimitsAreAnswered() throws {
  let stories = try Stories()
  let settings = ["--iterations", "3", "--models", "nanogpt", "--batch", "16", "--context", "64"]
  #expect(try stories.compare(settings, out: "free").status == 0)
  let free = try stories.results("free").models[0]
  let limit = free.peakTensorBytes * 6 / 10
  let limited = try stories.compare(settings + ["--memory-limit", "\(limit)"], out: "limited")
  #expect(limited.status == 0, "\(limited.error)")
  #expect(limited.error.contains("trying again with 2 micro-batches"))
  let result = try stories.results("limited").models[0]
  #expect(result.microBatches > 1 && result.peakTensorBytes < free.peakTensorBytes)
  #expect(abs(result.finalValidationLoss - free.finalValidationLoss) < 1e-4)

  let impossible = try stories.compare(settings + ["--memory-limit", "1M"], out: "impossible")
  #expect(impossible.status == 1)
  #expect(impossible.error.contains("recomputed") && impossible.error.contains("tensors need at least"))
}

/// Wherever in a step the limit is passed: some limits leave room for a first micro-batch and not for a second.
@Test func memoryLimitsInTheMiddleOfAStepAreAnswered() throws {
  let stories = try Stories()
  let settings = ["--iterations", "1", "--models", "nanokimik2", "--batch", "8", "--context", "32"]
  #expect(try stories.compare(settings, out: "free").status == 0)
  let peak = try stories.results("free").models[0].peakTensorBytes
  for share in stride(from: 0.4, to: 0.46, by: 0.0075) {
    let limited = try CommandResult(
      Stories.small + settings + [
        "--data", stories.data, "--out", stories.folder.path + "/\(share)", "--memory-limit",
        "\(Int(Double(peak) * share))",
      ], shell: stories.environment + "; export NANO_THREADS=1")
    #expect(limited.status == 0 && limited.error.contains("micro-batches"), "\(share): \(limited.error)")
  }
}

/// Without a limit of the user's, what the system grants is the limit.
@Test(.enabled(if: limitsAddressSpace)) func memoryThatTheSystemRefusesIsAnswered() throws {
  let stories = try Stories()
  let settings = ["--iterations", "2", "--models", "nanokimik2", "--batch", "256", "--context", "64"]
  #expect(try stories.compare(settings, out: "free").status == 0)
  let free = try stories.results("free").models[0]
  // The whole address space, of which code, libraries and threads take some 140 MB.
  let kilobytes = (140_000_000 + free.peakTensorBytes * 8 / 10) / 1024
  let limited = try CommandResult(
    Stories.small + settings + [
      "--data", stories.data, "--out", stories.folder.path + "/limited",
    ], shell: stories.environment + "; ulimit -v \(kilobytes)")
  #expect(limited.status == 0, "\(limited.error)")
  #expect(limited.error.contains("micro-batches"), "\(limited.error)")
  let result = try stories.results("limited").models[0]
  // What is kept aside for the moment of refusal must not be what is missing.
  #expect((2...4).contains(result.microBatches))
  #expect(abs(result.finalValidationLoss - free.finalValidationLoss) < 1e-3)
}

@Test func aFullDiskLeavesNothingHalfWritten() throws {
  let stories = try Stories()
  // Files of at most 100 kB: room for the tokens, not for a checkpoint.
  let result = try CommandResult(
    Stories.small + [
      "--data", stories.data, "--out", stories.folder.path + "/full", "--iterations", "4",
      "--checkpoint-every", "2", "--models", "nanogpt",
    ], shell: stories.environment + "; ulimit -f 100")
  #expect(result.status == 1)
  #expect(result.error.contains("cannot be written"), "\(result.error)")
  #expect(result.error.split(separator: "\n").count == 1)
  let left = try FileManager.default.subpathsOfDirectory(atPath: stories.folder.path)
  #expect(!left.contains { $0.hasSuffix(".partial") || $0.hasSuffix(".checkpoint") })
}

@Test func badStoriesInputIsOneLine() throws {
  let stories = try Stories()
  func write(_ text: Data, _ name: String) throws -> String {
    let path = stories.folder.path + "/" + name
    try text.write(to: URL(fileURLWithPath: path))
    return path
  }
  let lines = try write(Data("{\"text\":\"a\"}\n{oops\n".utf8), "bad.jsonl")
  let foreign = try write(Data("not a model".utf8), "foreign.model")
  let out = ["--out", stories.folder.path + "/new"]
  let cases: [(arguments: [String], part: String)] = [
    (Stories.small + ["--data", lines] + out, "line 2 is not a JSON object"),
    (["compare", "--preset", "stories", "--data", stories.data, "--tokenizer", foreign] + out, "not a SentencePiece"),
    (Stories.small + ["--data", stories.data, "--tokenizer", foreign] + out, "--vocab has no effect beside"),
    (Stories.small + ["--data", stories.folder.path + "/nowhere"] + out, "no such file"),
    (Stories.small + ["--data", stories.data, "--memory-limit", "lots"] + out, "size in bytes"),
    (Stories.small + ["--data", stories.data, "--experts-per-token", "99"] + out, "more than experts"),
    (Stories.small + ["--data", stories.data, "--rope-dim", "7"] + out, "odd"),
    (["compare", "--preset", "stories", "--batch", "0"] + out, "batch is 0"),
    (Stories.small + ["--data", stories.data, "--accumulate", "0"] + out, "--accumulate is 0"),
    (Stories.small + ["--data", stories.data, "--layers", "0"] + out, "layers is 0"),
    (Stories.small + ["--data", stories.data, "--balance-loss", "-1"] + out, "--balance-loss"),
    (Stories.small + ["--data", stories.data, "--size", "5M"] + out, "size is '5M'"),
    (["compare", "--preset", "stories", "--valid", stories.data] + out, "--valid needs --data"),
    (["compare", "--resume", stories.folder.path] + out, "--out is for a new run"),
    (["compare", "--resume", stories.folder.path, "--tokenizer", foreign], "--tokenizer is for a new run"),
    (["bench", "step", "--models", "nanokimi"], "Did you mean '--model'"),
    (["export", "--model", stories.folder.path] + out, "holds no model"),
    (["import", "--model", stories.folder.path] + out, "config.json"),
    (["tokenize", "--data", lines] + out, "line 2"),
  ]
  for (arguments, part) in cases {
    let result = try stories.run(arguments)
    #expect(result.status != 0 && result.error.contains(part), "\(arguments) \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    #expect((try? stories.file("new/run.json")) == nil)
  }
}
