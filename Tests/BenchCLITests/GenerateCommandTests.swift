import Foundation
import NanoTestSupport
import Testing

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
