import Foundation
import NanoTestSupport
import Testing

/// Whether `script` of util-linux is there to make a terminal.
private var hasTerminalMaker: Bool {
  #if os(Linux)
    FileManager.default.isExecutableFile(atPath: "/usr/bin/script")
  #else
    false
  #endif
}

/// A short run on a terminal that `script` makes, of so many columns.
private func run(
  columns: Int, environment: String = "export TERM=xterm", _ arguments: [String] = small
) throws -> String {
  let folder = try TemporaryFolder()
  let result = try CommandResult(
    ["compare", "--models", "nanogpt", "--out", folder.path + "/run"] + arguments,
    shell: environment + "; export NANO_KIMI_CACHE='\(folder.path)/cache'; "
      + #"exec script -qefc "stty cols \#(columns); $(printf '%q ' "$0" "$@")" /dev/null"#)
  #expect(result.status == 0, "\(result.output)")
  return result.output
}

/// What was drawn into one line, one after the other.
private func drawn(_ output: String) -> [Substring] {
  output.split(separator: "\r\u{1B}[2K").dropFirst().compactMap { $0.split(whereSeparator: \.isNewline).first }
}

/// First the bar goes, then the speed; nothing is wider than the window.
@Test(.enabled(if: hasTerminalMaker), arguments: [120, 80, 60, 40, 10]) func theLineFitsTheWindow(columns: Int) throws {
  let lines = drawn(try run(columns: columns))
  #expect(!lines.isEmpty && lines.allSatisfy { $0.count < columns }, "\(lines)")
  let last = try #require(lines.last)
  #expect(last.contains("20/20") || columns < 20)
  #expect(last.contains("█") == (columns > 80), "\(last)")
  #expect(last.contains("ms/step") == (columns >= 80), "\(last)")
  #expect(last.contains("0:00 left") == (columns >= 40), "\(last)")
}

@Test(.enabled(if: hasTerminalMaker)) func aLineIsDrawnForStoriesToo() throws {
  let lines = drawn(
    try run(
      columns: 100,
      [
        "--preset", "stories", "--size", "0.3M", "--vocab", "400", "--context", "16", "--batch", "2", "--iterations",
        "2", "--eval-iters", "1",
      ]))
  #expect(lines.last?.contains("2/2") == true && lines.last?.contains("0:00 left") == true, "\(lines)")
}

@Test(.enabled(if: hasTerminalMaker)) func whatATerminalCannotIsNotAskedOfIt() throws {
  let dumb = try run(columns: 80, environment: "export TERM=dumb")
  #expect(!dumb.contains("\u{1B}") && dumb.contains("20/20"), "\(dumb)")
  let plain = try run(columns: 80, environment: "export TERM=xterm NO_COLOR=1")
  #expect(try plain.firstMatch(of: Regex("\u{1B}\\[[0-9;]*m")) == nil && plain.contains("\u{1B}[2K"))
}

/// What is said beside the line has its words whole, however narrow the window.
@Test(.enabled(if: hasTerminalMaker)) func linesAreBrokenBetweenWords() throws {
  let output = try run(columns: 60, small + ["--models", "nanokimi"]).replacing("\u{1B}[2K", with: "")
  let lines = output.split(whereSeparator: \.isNewline)
  #expect(lines.allSatisfy { $0.count <= 60 || $0.hasPrefix("/") }, "\(output)")
  #expect(lines.joined(separator: " ").contains("2 hidden matrices, 1 router, 2 expert matrices"), "\(output)")
}

/// The first, the last, and about twenty between.
@Test func aPipeIsToldTwentyTimes() throws {
  let folder = try TemporaryFolder()
  let result = try CommandResult(
    ["train", "--out", folder.path + "/run"] + small + ["--iterations", "300", "--eval-interval", "250"])
  let lines = result.error.split(separator: "\n").filter { $0.contains("/300  ") }
  #expect((20...23).contains(lines.count), "\(result.error)")
  #expect(lines.first?.contains(" 0/300  ") == true && lines.last?.contains(" 300/300  ") == true)
  #expect(lines.dropFirst().allSatisfy { $0.contains(" ms/step  ") && $0.contains("  val ") }, "\(lines)")
}
