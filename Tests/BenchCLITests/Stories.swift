import Foundation
import NanoData
import NanoExperiments
import NanoTensor
import NanoTestSupport
import NanoTraining

/// A folder with stories, a cache of its own, and runs of the command on them.
final class Stories {
  let folder: TemporaryFolder
  let data: String

  init() throws {
    folder = try TemporaryFolder()
    data = folder.path + "/stories.txt"
    var generator = RandomGenerator(seed: 8)
    let corpus = BuiltInCorpus(characters: 120_000, using: &generator)
    let text = corpus.text.split(separator: "\n\n").joined(separator: "\n<|endoftext|>\n")
    try text.write(toFile: data, atomically: true, encoding: .utf8)
  }

  var environment: String { "export NANO_KIMI_CACHE='\(folder.path)/cache'" }

  func run(_ arguments: [String], killAfter seconds: Double? = nil) throws -> CommandResult {
    try CommandResult(arguments, shell: environment, signal: seconds.map { ([SIGKILL], after: $0) })
  }

  static let small = [
    "compare", "--preset", "stories", "--size", "0.3M", "--vocab", "400", "--context", "32", "--batch",
    "4", "--layers", "2", "--quiet",
  ]

  func compare(_ arguments: [String], out: String, killAfter seconds: Double? = nil) throws
    -> CommandResult
  {
    try run(
      Self.small + ["--data", data, "--out", folder.path + "/" + out] + arguments,
      killAfter: seconds)
  }

  func file(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + name))
  }

  func results(_ run: String) throws -> StudyResults {
    try JSONDecoder().decode(StudyResults.self, from: file(run + "/results.json"))
  }
}
