import Foundation
import NanoExperiments
import NanoTestSupport
import NanoTraining
import Testing

/// What a model was validated on is what it is scored on, wherever the command is given.
@Test func charactersAreScoredOnWhatTheyWereValidatedOn() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let run = try CommandResult(
    ["--json", "--quiet", "--models", "nanogpt", "--seed", "5", "--out", out] + small)
  let results = try JSONDecoder().decode(StudyResults.self, from: Data(run.output.utf8))
  let optimum = try #require(results.corpus.optimumNLL)
  // A text of that name here is not meant.
  try String(repeating: "to be ", count: 100).write(
    toFile: folder.path + "/input.txt", atomically: true, encoding: .utf8)
  let scored = try CommandResult(["evaluate", "--model", out + "/nanogpt"], shell: "cd '\(folder.path)'")
  #expect(scored.status == 0 && scored.error.isEmpty, "\(scored.error)")
  #expect(scored.output.contains(String(format: "wrote the text: %.4f nats", optimum)), "\(scored.output)")
  let other = try CommandResult(["evaluate", "--model", out + "/nanogpt", "--seed", "6"])
  #expect(other.status == 0 && other.error.contains("not the text that the model was validated on"), "\(other.error)")
}

@Test func movedAndChangedTextsAreNamed() throws {
  let folder = try TemporaryFolder()
  let (text, model) = (folder.path + "/text.txt", folder.path + "/run/nanogpt")
  func write(_ count: Int) throws {
    try (0..<count).map { "word\($0 % 7) " }.joined().write(toFile: text, atomically: true, encoding: .utf8)
  }
  try write(1_000)
  #expect(
    try CommandResult(
      ["--quiet", "--models", "nanogpt", "--data", "text.txt", "--out", "run"] + small, shell: "cd '\(folder.path)'"
    ).status == 0)
  func evaluate(_ arguments: [String] = []) throws -> CommandResult {
    try CommandResult(["evaluate", "--model", model] + arguments)
  }
  let (recorded, named) = (try evaluate(), try evaluate(["--data", text]))
  #expect(recorded.status == 0 && recorded.output.contains("text.txt: "), "\(recorded.error)")
  func nll(_ result: CommandResult) -> Substring? {
    result.output.split(separator: ":").last?.split(separator: "(").first
  }
  #expect(nll(recorded) == nll(named) && named.error.isEmpty)
  try write(900)
  let changed = try evaluate()
  #expect(changed.status == 1 && changed.error.contains("has changed since"), "\(changed.error)")
  let meant = try evaluate(["--data", text])
  #expect(meant.status == 0 && meant.error.contains("not the text that the model was validated on"))
  try FileManager.default.removeItem(atPath: text)
  let missing = try evaluate()
  #expect(missing.status == 1 && missing.error.contains("no such file"), "\(missing.error)")
  // A model from elsewhere does not say what it was validated on.
  let config = URL(fileURLWithPath: model + "/config.json")
  var description = try #require(
    JSONSerialization.jsonObject(with: Data(contentsOf: config)) as? [String: Any])
  description["data"] = nil
  try JSONSerialization.data(withJSONObject: description).write(to: config)
  let unknown = try evaluate()
  #expect(unknown.status == 1 && unknown.error.contains("does not say what the model was validated on"))
}

@Test func storiesAreScoredOnWhatTheyWereValidatedOn() throws {
  let stories = try Stories()
  #expect(try stories.compare(["--iterations", "4", "--models", "nanogpt"], out: "run").status == 0)
  let model = stories.folder.path + "/run/nanogpt"
  struct Scored: Decodable { let nllPerToken: Double }
  let scored = try stories.run(["evaluate", "--model", model, "--json"])
  #expect(scored.status == 0 && scored.error.isEmpty, "\(scored.error)")
  #expect(
    try JSONDecoder().decode(Scored.self, from: Data(scored.output.utf8)).nllPerToken
      == stories.results("run").models[0].bestValidationLoss)
  let (exported, imported) = (stories.folder.path + "/exported", stories.folder.path + "/imported")
  #expect(try stories.run(["export", "--model", model, "--out", exported]).status == 0)
  #expect(try stories.run(["import", "--model", exported, "--out", imported]).status == 0)
  let unknown = try stories.run(["evaluate", "--model", imported])
  #expect(unknown.status == 1 && unknown.error.contains("--data"), "\(unknown.error)")
}
