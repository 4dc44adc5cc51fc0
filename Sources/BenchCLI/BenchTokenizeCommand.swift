import ArgumentParser
import Foundation
import NanoData
import NanoTensor
import NanoTraining

/// `bench-cli bench tokenize`: from stories to a token file, in megabytes of text a second.
struct BenchTokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize",
    abstract: "Time the way from stories to a token file, on one thread and on all.",
    discussion: CommandConfiguration.examples(
      "bench tokenize", "bench tokenize --data data/tinystories --whole --json"))

  @Option("A file or folder of stories, of which those to train on are read", "path", default: "the built-in stories")
  var data: String?

  @Option("A SentencePiece model", "file", default: "one of 4096 pieces is trained on the stories")
  var tokenizer: String?

  @Flag(help: "Also without the table of words: each story whole through the tokenizer.")
  var whole = false

  @Flag(help: "Print one JSON object.")
  var json = false

  private struct Report: Codable {
    struct Timing: Codable {
      var threads: Int
      /// Whether stories went through the tokenizer whole.
      var whole: Bool
      var megabytesPerSecond: Double
      var tokensPerSecond: Double
    }

    var source: String
    var textBytes: Int
    var tokens: Int
    var vocabulary: Int
    var timings: [Timing] = []
    var peakResidentBytes = 0
  }

  /// A tokenizer that says of no place that a word ends there.
  private struct WholeStories: StoryTokenizer {
    let base: SentencePieceTokenizer
    var digest: String { base.digest }
    var endOfStory: Int32 { base.endOfStory }
    var vocabularySize: Int { base.vocabularySize }

    func encode(_ text: String) throws(TokenizerError) -> [Int32] { try base.encode(text) }
    func decode(_ tokens: some Sequence<Int32>) -> String { base.decode(tokens) }
  }

  func run() throws {
    var generator = RandomGenerator(seed: 1337).split(0)
    let source = try data.map { path in try StorySource(path) } ?? StorySource(builtInWith: &generator)
    let pieces = try StoryPreparation(source).tokenizer(model: tokenizer, vocabularySize: 4096)
    var report = Report(source: source.name, textBytes: 0, tokens: 0, vocabulary: pieces.vocabularySize)
    let path = NSTemporaryDirectory() + "/nano-kimi-\(ProcessInfo.processInfo.processIdentifier).tokens"
    defer { unlink(path) }

    func measure(_ tokenizer: some StoryTokenizer, _ threads: Int, isWhole: Bool) throws {
      let watch = Stopwatch()
      try StoryPreparation(source, threadCount: threads).writeTokens(of: .training, tokenizer: tokenizer, to: path)
      let seconds = watch.seconds
      let header = try TokenFile(path, tokenizer: tokenizer).header
      (report.textBytes, report.tokens) = (header.byteCount, header.tokenCount)
      report.timings.append(
        Report.Timing(
          threads: threads, whole: isWhole, megabytesPerSecond: Double(header.byteCount) / seconds / 1e6,
          tokensPerSecond: Double(header.tokenCount) / seconds))
    }
    let counts = Set([1, WorkerPool.shared.threadCount]).sorted()
    for count in counts { try measure(pieces, count, isWhole: false) }
    if whole {
      for count in counts { try measure(WholeStories(base: pieces), count, isWhole: true) }
    }
    report.peakResidentBytes = ResidentMemory.peakBytes
    try show(report)
  }

  private func show(_ report: Report) throws {
    if json {
      print(String(decoding: try JSONEncoder.readable.encode(report), as: UTF8.self))
      return
    }
    print(
      String(
        format: "%@: %.1f MB of text, %d tokens of a vocabulary of %d", report.source, Double(report.textBytes) / 1e6,
        report.tokens, report.vocabulary))
    for timing in report.timings {
      print(
        String(
          format: "%d thread%@, %@: %.1f MB/s, %.2f million tokens/s", timing.threads, timing.threads == 1 ? "" : "s",
          timing.whole ? "whole stories" : "word by word", timing.megabytesPerSecond, timing.tokensPerSecond / 1e6))
    }
    print(String(format: "resident %.0f MB", Double(report.peakResidentBytes) / 1e6))
  }
}
