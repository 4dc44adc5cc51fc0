import Foundation
import NanoExperiments
import NanoTestSupport
import NanoTraining
import Testing

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
  #expect(results.iterations == 3 && results.study.arms.count == 1)
  #expect(results.seed == 5 && results.models.count == 1 && result.error.isEmpty)
}

@Test func settingsThatWouldBeLostAreRefused() throws {
  let folder = try TemporaryFolder()
  let config = folder.path + "/config.json"
  let cases: [(text: String, part: String)] = [
    (#"{"config": "other.json"}"#, "'config'"), (#"{"batch": false}"#, "'batch' is false"),
    (#"{"models": false}"#, "'models' is false"), (#"{"epochs": false}"#, "'epochs' is false"),
    (#"{"batch": 4, "embd": 16, "batch": 8}"#, "'batch' is given twice"),
    (#"{"batch": 4, "b\u0061tch": 8}"#, "'batch' is given twice"),
    (#"{"a\"batch\": {": 4, "batch": 8}"#, "Unknown option"), (#"{"batch": ["4"]}"#, "'batch' is a list"),
    (#"{"batch": true}"#, "--batch"), (#"{"batch": {"batch": 4}}"#, "batch"), (#"{"batch": ""}"#, "--batch"),
    (#"{"batch": 1e400}"#, "config.json"), (#"{"batch": 4.5}"#, "--batch"),
  ]
  for (text, part) in cases {
    try Data(text.utf8).write(to: URL(fileURLWithPath: config))
    let result = try CommandResult(["--config", config, "--out", folder.path + "/run"])
    #expect(result.status != 0 && result.error.contains(part), "\(text): \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(text): \(result.error)")
  }
  try Data(#"{"quiet": false, "json": true, "models": "nanogpt"}"#.utf8).write(to: URL(fileURLWithPath: config))
  #expect(try CommandResult(["--config", config, "--out", folder.path + "/run"] + small).status == 0)
}

@Test func settingsMayComeThroughAPipe() throws {
  let folder = try TemporaryFolder()
  let result = try CommandResult(
    ["--config", "/dev/fd/9", "--quiet", "--json", "--out", folder.path + "/run"] + small,
    shell: #"exec 9< <(echo '{"models": "nanogpt", "seed": 5}')"#)
  let results = try JSONDecoder().decode(StudyResults.self, from: Data(result.output.utf8))
  #expect(results.seed == 5 && results.models.count == 1, "\(result.error)")
}

/// A command without settings does not ignore a file of them.
@Test(arguments: [
  "generate --model x", "evaluate --model x", "tokenize --data x --out y", "export --model x --out y",
  "import --model x --out y", "data tinystories", "bench ops",
])
func settingsFilesAreRefusedWhereNothingIsSet(command: String) throws {
  let result = try CommandResult(command.split(separator: " ").map(String.init) + ["--config", "/dev/null"])
  #expect(result.status != 0 && result.error.contains("--config"), "\(result.error)")
}
