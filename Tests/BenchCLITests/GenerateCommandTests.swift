import Foundation
import NanoModels
import NanoTensor
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

/// One long line has no line break to begin after.
@Test func aModelWithoutLineBreaksBeginsWithACharacterThatItHas() throws {
  let folder = try TemporaryFolder()
  let (text, run) = (folder.path + "/text.txt", folder.path + "/run")
  try String(repeating: "to be or not to be ", count: 100).write(toFile: text, atomically: true, encoding: .utf8)
  #expect(
    try CommandResult(["--data", text, "--models", "nanogpt", "--quiet", "--out", run] + small).status == 0)
  let result = try CommandResult(["generate", "--model", run + "/nanogpt", "--tokens", "20"])
  #expect(result.status == 0 && result.output.count == 22, "\(result.error)")
}

/// Finite but huge weights give logits that are not.
@Test func modelsWithoutPredictionsAreRefused() throws {
  let folder = try TemporaryFolder()
  let (text, run) = (folder.path + "/text.txt", folder.path + "/run")
  try String(repeating: "To be or not to be.\n", count: 100).write(toFile: text, atomically: true, encoding: .utf8)
  #expect(
    try CommandResult(["--data", text, "--models", "nanogpt", "--quiet", "--out", run] + small).status == 0)
  let file = URL(fileURLWithPath: run + "/nanogpt/model.safetensors")
  var weights = try Safetensors.decode(Data(contentsOf: file))
  for (name, tensor) in weights where name == "token_embedding.weight" {
    weights[name] = Tensor(repeating: 3e38, shape: tensor.shape)
  }
  try Safetensors.encode(weights.map { ($0.key, $0.value) }, metadata: [:]).write(to: file)
  let commands =
    [[], ["--temperature", "0"], ["--top-k", "3", "--top-p", "0.9"], ["--min-p", "0.5"]].map {
      ["generate", "--model", run + "/nanogpt", "--prompt", "T", "--tokens", "5"] + $0
    } + [
      ["evaluate", "--model", run + "/nanogpt", "--data", text],
      ["evaluate", "--model", run + "/nanogpt", "--data", text, "--json"],
    ]
  for command in commands {
    let result = try CommandResult(command)
    #expect(result.status == 1 && result.error.contains("logits are not finite"), "\(command): \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(command): \(result.error)")
  }
}

@Test func severalSamplesAreThoseOfTheNextSeeds() throws {
  let folder = try TemporaryFolder()
  let (run, prompt) = (folder.path + "/run", folder.path + "/prompt.txt")
  #expect(try CommandResult(["train", "--quiet", "--out", run] + small).status == 0)
  try "the ".write(toFile: prompt, atomically: true, encoding: .utf8)
  func generate(_ arguments: [String]) throws -> String {
    let result = try CommandResult(["generate", "--model", run + "/nanogpt", "--tokens", "9"] + arguments)
    #expect(result.status == 0, "\(result.error)")
    return result.output
  }
  let both = try generate(["--prompt-file", prompt, "--samples", "2", "--seed", "4"])
  let (first, second) = (
    try generate(["--prompt", "the ", "--seed", "4"]), try generate(["--prompt", "the ", "--seed", "5"])
  )
  #expect(both == "--- seed 4 ---\n\(first)\n--- seed 5 ---\n\(second)" && first != second)

  // A window of characters slides: it has no cache, and reads its last characters alone.
  for flags in [["--batch", "2"], ["--batch", "2", "--samples", "3"], ["--precision", "bf16"]] {
    let refused = try CommandResult(["generate", "--model", run + "/nanogpt", "--tokens", "9"] + flags)
    #expect(refused.status == 64 && refused.error.contains(flags[0]), "\(flags): \(refused.error)")
  }
  let long = try CommandResult(
    ["generate", "--model", run + "/nanogpt", "--tokens", "2", "--prompt", String(repeating: "the ", count: 80)])
  #expect(long.status == 0 && long.error.contains("the prompt has 320 tokens"), "\(long.error)")
}

@Test func aFolderWithoutAModelIsSaidToBeThat() throws {
  let folder = try TemporaryFolder()
  for (path, part) in [(folder.path, "holds no model"), (folder.path + "/none", "no such folder")] {
    for command in ["generate", "evaluate"] {
      let result = try CommandResult([command, "--model", path])
      #expect(result.status == 1 && result.error.contains("\(path): \(part); a run makes"), "\(result.error)")
    }
  }
}
