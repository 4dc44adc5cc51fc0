import Foundation
import NanoData
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

/// A run of the built command.
struct CommandResult {
  let status: Int32
  let output, error: String

  private static var executable: URL {
    Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }.map {
      $0.bundleURL.deletingLastPathComponent().appending(path: "bench-cli")
    }
      ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appending(
        path: "bench-cli")
  }

  init(
    _ arguments: [String], shell prefix: String? = nil, signal: (numbers: [Int32], after: Double)? = nil
  ) throws {
    let process = Process()
    if let prefix {
      process.executableURL = URL(fileURLWithPath: "/bin/bash")
      process.arguments = ["-c", prefix + "; exec \"$0\" \"$@\"", Self.executable.path] + arguments
    } else {
      process.executableURL = Self.executable
      process.arguments = arguments
    }
    let (out, err) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (out, err)
    try process.run()
    if let signal {
      Thread.sleep(forTimeInterval: signal.after)
      for number in signal.numbers where process.isRunning {
        kill(process.processIdentifier, number)
        Thread.sleep(forTimeInterval: 0.02)
      }
    }
    let output = out.fileHandleForReading.readDataToEndOfFile()
    let error = err.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    status = process.terminationStatus
    self.output = String(decoding: output, as: UTF8.self)
    self.error = String(decoding: error, as: UTF8.self)
  }
}

private let small = [
  "--iterations", "20", "--eval-interval", "10", "--eval-iters", "2", "--embd", "16", "--layers",
  "1",
  "--batch", "4", "--context", "16",
]

/// Width and height of a PNG, after checking its signature and that it ends whole.
private func pngSize(_ path: String) throws -> (Int, Int) {
  let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  #expect(Array(bytes[..<8]) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
  #expect(Array(bytes.suffix(8).prefix(4)) == Array("IEND".utf8))
  func number(_ at: Int) -> Int { bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
  return (number(16), number(20))
}

@Test func comparisonWritesEverything() throws {
  let folder = try TemporaryFolder()
  let text = folder.path + "/text.txt"
  let words = (0..<2000).map { "word\($0 % 17) " }.joined()
  try Data(words.utf8).write(to: URL(fileURLWithPath: text))
  let out = folder.path + "/run"
  let result = try CommandResult(["--data", text, "--out", out] + small)
  #expect(result.status == 0)
  #expect(result.output.contains("is better") && result.error.contains(text))
  let results = try JSONDecoder().decode(
    StudyResults.self, from: Data(contentsOf: URL(fileURLWithPath: out + "/results.json")))
  #expect(results.models.map(\.name) == ["nanogpt", "nanokimi"] && results.preset == "seed")
  #expect(results.models.allSatisfy { $0.bestValidationLoss < 4 && $0.trainStepMeanMs > 0 })
  #expect(results.corpus.source == text && results.corpus.characters == words.count)
  #expect(try pngSize(out + "/comparison_graph.png") == (1800, 1440))
  #expect(try pngSize(out + "/loss_curves.png") == (2200, 920))
  let metrics = try String(contentsOfFile: out + "/metrics.csv", encoding: .utf8)
  #expect(metrics.split(separator: "\n").count == 1 + 2 * 2 * 3)
  let samples = try String(contentsOfFile: out + "/samples.txt", encoding: .utf8)
  #expect(samples.count > 1000)

  let generated = try CommandResult(
    ["generate", "--model", out + "/nanokimi", "--prompt", "wor", "--tokens", "30"])
  #expect(
    generated.status == 0 && generated.output.count == 34 && generated.output.hasPrefix("wor"))
  let outside = try CommandResult(["generate", "--model", out + "/nanogpt", "--prompt", "wor€"])
  #expect(outside.status != 0 && outside.error.contains("position 3"))

  let evaluated = try CommandResult(
    ["evaluate", "--model", out + "/nanokimi", "--data", text, "--json"])
  let scored = try JSONDecoder().decode(FullPassEvaluation.self, from: Data(evaluated.output.utf8))
  #expect(scored.tokens == words.count - Int(0.9 * Double(words.count)))
  #expect(abs(scored.nllPerToken - results.models[1].bestValidationLoss) < 0.1)
  let foreign = folder.path + "/foreign.txt"
  try Data("wor€".utf8).write(to: URL(fileURLWithPath: foreign))
  let refused = try CommandResult(
    ["evaluate", "--model", out + "/nanokimi", "--data", text, "--valid", foreign])
  #expect(refused.status == 1 && refused.error.contains("foreign.txt: character"))
  #expect(refused.error.contains("position 3"))
}

@Test func builtInCorpusReportsItsOptimum() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let result = try CommandResult(
    ["--json", "--quiet", "--models", "nanogpt", "--seed", "5", "--out", out] + small)
  let results = try JSONDecoder().decode(StudyResults.self, from: Data(result.output.utf8))
  #expect(result.error.isEmpty && results.corpus.source == "built-in")
  let optimum = try #require(results.corpus.optimumNLL)
  #expect(optimum > 0.05 && optimum < results.models[0].bestValidationLoss)

  let evaluated = try CommandResult(["evaluate", "--model", out + "/nanogpt", "--seed", "5"])
  #expect(evaluated.status == 0 && evaluated.output.contains("built-in: "), "\(evaluated.error)")
  #expect(evaluated.output.contains(String(format: "wrote the text: %.4f nats", optimum)))
  let machine = try CommandResult(
    ["evaluate", "--model", out + "/nanogpt", "--seed", "5", "--json"])
  struct Scored: Decodable { let nllPerToken, optimumNLL: Double }
  let scored = try JSONDecoder().decode(Scored.self, from: Data(machine.output.utf8))
  #expect(scored.optimumNLL == optimum && scored.nllPerToken > optimum)
}

@Test func equalLossesAreCalledLevel() throws {
  let folder = try TemporaryFolder()
  let path = folder.path + "/a.txt"
  try Data(repeating: UInt8(ascii: "a"), count: 1000).write(to: URL(fileURLWithPath: path))
  let result = try CommandResult(
    ["--data", path, "--quiet", "--out", folder.path + "/run"] + small)
  #expect(result.output.contains("are level: 0.0000 nats"), "\(result.output)")
}

/// A flag without effect would mislead.
@Test func flagsOfTheStoriesAreRefusedWithoutThem() throws {
  for (flags, named) in [
    (["compare", "--size", "3M"], "--size"), (["compare", "--kv-rank", "8"], "--kv-rank"),
    (["compare", "--split-heads"], "--split-heads"), (["compare", "--sample-every", "5"], "--sample-every"),
    (["bench", "step", "--expert-width", "64"], "--expert-width"),
  ] {
    let result = try CommandResult(flags)
    #expect(result.status != 0 && result.error.contains("\(named) is a flag of the stories study"))
  }
}

@Test func benchStepPrintsItsNames() throws {
  let result = try CommandResult(
    ["bench", "step", "--model", "nanokimi", "--steps", "3", "--json"] + small)
  let object = try #require(
    try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
  for key in [
    "model", "precision", "parameters", "shards", "trainStepMedianMs", "trainStepMinMs",
    "forwardMedianMs", "forwardMinMs", "tokensPerSecond",
  ] { #expect(object[key] != nil, "\(key)") }
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

/// Nobody, root included, makes a folder in /proc.
@Test(.enabled(if: FileManager.default.fileExists(atPath: "/proc/self")))
func unwritableFoldersAreRefused() throws {
  let folder = try TemporaryFolder()
  for study in [
    [], ["--preset", "stories", "--size", "0.3M", "--vocab", "400", "--context", "16"],
  ] {
    let result = try CommandResult(
      ["compare", "--out", "/proc/nano-kimi", "--iterations", "1", "--quiet"] + study,
      shell: "export NANO_KIMI_CACHE='\(folder.path)/cache'")
    #expect(result.status == 1 && result.error.contains("cannot be"), "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1)
  }
}

/// Whether `ulimit -v` holds: Darwin knows the limit and does not keep it.
var limitsAddressSpace: Bool {
  #if os(Linux)
    true
  #else
    false
  #endif
}

/// The characters' study knows no smaller step to try.
@Test(.enabled(if: limitsAddressSpace)) func refusedMemoryIsOneLine() throws {
  let folder = try TemporaryFolder()
  let result = try CommandResult(
    [
      "compare", "--out", folder.path + "/run", "--iterations", "1", "--batch", "4096", "--eval-iters",
      "1", "--quiet",
    ], shell: "ulimit -v 300000")
  #expect(result.status == 1)
  #expect(result.error.hasPrefix("bench-cli: error: out of memory"), "\(result.error)")
  #expect(result.error.contains("--batch") && result.error.split(separator: "\n").count == 1)
}

/// Whether `script` of util-linux is there to make a terminal.
private var hasTerminalMaker: Bool {
  #if os(Linux)
    FileManager.default.isExecutableFile(atPath: "/usr/bin/script")
  #else
    false
  #endif
}

/// On a terminal (one that `script` makes) a bar is redrawn in place.
@Test(.enabled(if: hasTerminalMaker)) func terminalsShowABar() throws {
  let folder = try TemporaryFolder()
  let onTerminal = #"exec script -qefc "$(printf '%q ' "$0" "$@")" /dev/null"#
  let characters = try CommandResult(
    ["compare", "--models", "nanogpt", "--out", folder.path + "/a"] + small, shell: onTerminal)
  let stories = try CommandResult(
    [
      "compare", "--preset", "stories", "--size", "0.3M", "--vocab", "400", "--context", "16",
      "--batch", "2", "--iterations", "2", "--eval-iters", "1", "--models", "nanogpt", "--out",
      folder.path + "/b",
    ], shell: "export NANO_KIMI_CACHE='\(folder.path)/cache'; " + onTerminal)
  for (result, last) in [(characters, "20/20"), (stories, "2/2")] {
    #expect(result.status == 0, "\(result.output)")
    for part in ["\r\u{1B}[2K", "████████████████████████ \(last)", "tokens/s", "0:00 left"] {
      #expect(result.output.contains(part), "\(part): \(result.output)")
    }
  }
}

@Test func interactiveGenerationAnswersEveryLine() throws {
  let folder = try TemporaryFolder()
  let run = folder.path + "/run"
  #expect(
    try CommandResult(["compare", "--models", "nanogpt", "--quiet", "--out", run] + small).status
      == 0)
  let result = try CommandResult(
    ["generate", "--model", run + "/nanogpt", "--interactive", "--tokens", "12", "--seed", "4"],
    shell: #"exec < <(printf 'the\n\n€\nand\n')"#)
  #expect(result.status == 0)
  let first = try CommandResult(
    ["generate", "--model", run + "/nanogpt", "--prompt", "the", "--tokens", "12", "--seed", "4"])
  let second = try CommandResult(
    ["generate", "--model", run + "/nanogpt", "--prompt", "and", "--tokens", "12", "--seed", "4"])
  #expect(result.output == first.output + second.output && first.output.hasPrefix("the"))
  // Between two answers, the prompt that the vocabulary lacks: said, and gone on.
  #expect(result.error.contains("20AC") && result.error.split(separator: "\n").count == 3)
}

@Test func configurationFilesAreReadAndFlagsWin() throws {
  let folder = try TemporaryFolder()
  let config = folder.path + "/config.json"
  try Data(
    #"{"iterations": 7, "embd": 16, "layers": 1, "eval-iters": 1, "models": ["nanogpt"], "seed": 5, "quiet": true}"#
      .utf8
  )
  .write(to: URL(fileURLWithPath: config))
  let result = try CommandResult(
    ["--iterations", "3", "--config", config, "--json", "--out", folder.path + "/run"])
  let results = try JSONDecoder().decode(StudyResults.self, from: Data(result.output.utf8))
  #expect(results.configuration.iterations == 3 && results.configuration.width == 16)
  #expect(results.seed == 5 && results.models.count == 1 && result.error.isEmpty)
}

@Test(arguments: [[SIGINT], [SIGTERM], [SIGHUP, SIGHUP]]) func interruptionWritesWhatThereIs(signals: [Int32]) throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let result = try CommandResult(
    ["--iterations", "1000000", "--eval-iters", "1", "--quiet", "--out", out], signal: (signals, after: 4))
  #expect(result.status == 128 + signals[0])
  let results = try JSONDecoder().decode(
    StudyResults.self, from: Data(contentsOf: URL(fileURLWithPath: out + "/results.json")))
  #expect(results.interrupted && results.models.count == 1)
  _ = try ModelFolder.load(out + "/nanogpt")
}

@Test func aSecondInterruptionEndsARunAtOnce() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let result = try CommandResult(
    ["--iterations", "1000000", "--eval-iters", "1", "--quiet", "--out", out],
    signal: ([SIGINT, SIGINT], after: 4))
  #expect(result.status == 130 && result.output.isEmpty)
  #expect(!FileManager.default.fileExists(atPath: out + "/results.json"))
}

@Test func aTerminalThatEndsIsNothingUnderNohup() throws {
  let folder = try TemporaryFolder()
  let result = try CommandResult(
    ["--models", "nanogpt", "--quiet", "--out", folder.path + "/run", "--iterations", "8000"]
      + small.dropFirst(2), shell: "trap '' HUP", signal: ([SIGHUP], after: 0.5))
  #expect(result.status == 0 && result.output.contains("best validation loss"))
}

/// Every bad input: one line on stderr that names it, a status that is not 0, and no run folder.
@Test func badInputIsRefusedInOneLine() throws {
  let folder = try TemporaryFolder()
  func file(_ name: String, _ data: Data) throws -> String {
    try data.write(to: URL(fileURLWithPath: folder.path + "/" + name))
    return folder.path + "/" + name
  }
  let out = folder.path + "/out"
  let cases: [(arguments: [String], part: String)] = [
    (["--data", folder.path + "/none.txt"], "no such file"),
    (["--data", folder.path], "is a directory"),
    (
      ["--data", "/proc/self/mem"],
      FileManager.default.fileExists(atPath: "/proc/self/mem") ? "cannot be read" : "no such file"
    ),
    (["--data", try file("empty.txt", Data())], "empty"),
    (["--data", try file("latin.txt", Data([0x61, 0xE9, 0x62]))], "offset 1"),
    (["--data", try file("short.txt", Data("too short".utf8))], "needs 33"),
    (["--embd", "63"], "not divisible"), (["--embd", "0"], "embd is 0"),
    (["--embd", "-4"], "embd is -4"), (["--batch", "0"], "batch is 0"),
    (["--layers", "100000000"], "layers is"), (["--context", "9999999"], "context is"),
    (["--iterations", "-1"], "iterations is -1"), (["--lr", "nan"], "lr is nan"),
    (["--lr", "0"], "lr is 0"), (["--shards", "0"], "shards is 0"),
    (["--iterations", "ten"], "ten"), (["--preset", "nope"], "unknown preset 'nope'"),
    (["--precision", "fp8"], "unknown precision 'fp8'"),
    (["--models", "nanogpt,gpt5"], "unknown model 'gpt5'"), (["--models", ""], "models"),
    (["--frobnicate"], "frobnicate"), (["--config", folder.path + "/none.json"], "no such file"),
    (["--config", try file("bad.json", Data("{".utf8))], "not a JSON object"),
    (["--config", try file("odd.json", Data(#"{"epochs": 3}"#.utf8))], "odd.json: Unknown option"),
    (["--config", try file("type.json", Data(#"{"batch": "many"}"#.utf8))], "'--batch"),
    (["--config", try file("null.json", Data(#"{"seed": null}"#.utf8))], "null at 'seed'"),
    (["--config"], "Missing value for '--config"),
  ]
  for (arguments, part) in cases {
    let result = try CommandResult(["compare", "--out", out] + arguments)
    #expect(result.status != 0, "\(arguments)")
    #expect(result.error.contains(part), "\(arguments): \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(arguments): \(result.error)")
    #expect(!FileManager.default.fileExists(atPath: out), "\(arguments)")
  }
  for arguments in [
    ["compare", "--out", folder.path], ["compare", "--out", folder.path + "/empty.txt"],
    ["generate", "--model", folder.path], ["generate", "--model", "/none", "--tokens", "0"],
    ["bench", "step", "--model", "nope"], ["bench", "step", "--steps", "0"],
  ] {
    let result = try CommandResult(arguments)
    #expect(
      result.status != 0 && result.error.split(separator: "\n").count == 1,
      "\(arguments): \(result.error)")
  }
}

@Test func aDivergedRunKeepsItsLastGoodWeights() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let result = try CommandResult(
    ["--lr", "1e30", "--models", "nanogpt", "--quiet", "--out", out] + small)
  #expect(result.status == 1 && result.error.contains("not finite"))
  _ = try ModelFolder.load(out + "/nanogpt")
}

@Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
func resultsThatCannotBeWrittenAreAnErrorAndProgressIsNot() throws {
  let folder = try TemporaryFolder()
  let (first, second) = (folder.path + "/first", folder.path + "/second")
  let silent = try CommandResult(
    ["--models", "nanogpt", "--out", first] + small, shell: "exec 2>/dev/full")
  #expect(silent.status == 0 && silent.output.contains("best validation loss"))
  for arguments in [
    ["--models", "nanogpt", "--quiet", "--out", second] + small,
    ["generate", "--model", first + "/nanogpt", "--tokens", "20"],
  ] {
    let result = try CommandResult(arguments, shell: "exec >/dev/full")
    #expect(result.status == 1)
    #expect(result.error.contains("standard output: cannot be written"), "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1)
  }
  _ = try ModelFolder.load(second + "/nanogpt")
}

/// As when Ctrl-C ends the `tee` that a run's progress goes to.
@Test func aReaderThatIsGoneEndsNoRun() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let deaf = try CommandResult(
    ["--models", "nanogpt", "--out", out] + small, shell: "exec 2> >(exit 0); sleep 0.3")
  #expect(deaf.status == 0 && deaf.output.contains("best validation loss"))
  let enough = try CommandResult(
    ["generate", "--model", out + "/nanogpt", "--tokens", "1000000"],
    shell: "exec > >(head -c 1 > /dev/null)")
  #expect(enough.status == 128 + SIGPIPE && enough.error.isEmpty, "\(enough.error)")
}

@Test func aTextMayComeThroughAPipe() throws {
  let folder = try TemporaryFolder()
  let text = folder.path + "/text.txt"
  try String(repeating: "To be, or not to be.\n", count: 500).write(
    toFile: text, atomically: true, encoding: .utf8)
  let arguments = ["--models", "nanogpt", "--quiet", "--json", "--data", "/dev/stdin"] + small
  let result = try CommandResult(
    arguments + ["--out", folder.path + "/run"], shell: "exec < <(cat '\(text)')")
  #expect(result.status == 0, "\(result.error)")
  let results = try JSONDecoder().decode(StudyResults.self, from: Data(result.output.utf8))
  #expect(results.corpus.characters == 10_500)
  let stories = try CommandResult(
    ["--preset", "stories", "--data", "/dev/stdin", "--out", folder.path + "/stories"],
    shell: "exec < <(cat '\(text)')")
  #expect(stories.status == 1 && stories.error.contains("not a regular file"), "\(stories.error)")
}

/// What is printed goes nowhere then, and not into a file that was opened later.
@Test func closedStreamsAreNoFiles() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let result = try CommandResult(
    ["--models", "nanogpt", "--out", out] + small, shell: "exec <&- >&- 2>&-")
  #expect(result.status == 0)
  let metrics = try String(contentsOfFile: out + "/metrics.csv", encoding: .utf8)
  #expect(metrics.hasPrefix("model,step") && !metrics.contains("best validation loss"))
  #expect(metrics.split(separator: "\n").allSatisfy { $0.split(separator: ",").count == 5 })
}

@Test func aFullDiskIsReported() throws {
  let folder = try TemporaryFolder()
  // A file size limit of 8 KiB stands in for a disk that fills up while the model is written.
  let result = try CommandResult(
    ["--models", "nanogpt", "--quiet", "--out", folder.path + "/run"] + small, shell: "ulimit -f 8")
  #expect(result.status == 1 && result.error.split(separator: "\n").count == 1)
  #expect(result.error.contains("cannot be written"))
  let left = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
  #expect(!left.contains { $0.hasSuffix(".partial") })
}
