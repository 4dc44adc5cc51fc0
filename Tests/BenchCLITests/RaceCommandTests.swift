import Foundation
import NanoExperiments
import NanoTestSupport
import Testing

@Test func raceTellsWhoArrives() throws {
  let folder = try TemporaryFolder()
  func race(_ arguments: [String], _ name: String) throws -> CommandResult {
    try CommandResult(
      ["race", "--steps", "2", "--seeds", "11,5", "--quiet", "--out", folder.path + "/" + name] + arguments)
  }
  let won = try race(["--target", "9", "--json"], "won")
  #expect(won.status == 0, "\(won.error)")
  let outcome = try JSONDecoder().decode(Race.Outcome.self, from: Data(won.output.utf8))
  #expect(outcome.finishes.map(\.seed) == [11, 5] && outcome.arrivals == 2 && outcome.published == nil)
  #expect(outcome.finishes.allSatisfy { $0.steps == 2 && $0.trainingSeconds > 0 && $0.loss < 9 })
  let file = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/won/race.json"))
  #expect(try JSONDecoder().decode(Race.Outcome.self, from: file) == outcome)

  let lost = try race([], "lost")
  #expect(lost.status == 0 && lost.output.contains("0 of 2 runs score at most 1.6756"), "\(lost.output)\(lost.error)")
  #expect(lost.output.contains("was not run. With --published it is."))
}

@Test func wrongRacesAreRefused() throws {
  for (arguments, part) in [
    (["--target", "0"], "positive"), (["--seeds", "0"], "from 1 to 1000"), (["--steps", "0"], "steps"),
  ] {
    let result = try CommandResult(["race", "--steps", "1"] + arguments)
    #expect(result.status != 0 && result.error.contains(part), "\(result.error)")
  }
}
