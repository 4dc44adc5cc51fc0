import Foundation
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
  #expect(results.configuration.iterations == 3 && results.configuration.width == 16)
  #expect(results.seed == 5 && results.models.count == 1 && result.error.isEmpty)
}
