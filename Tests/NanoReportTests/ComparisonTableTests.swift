import Foundation
import NanoTraining
import Testing

@testable import NanoReport

@Test func characterVerdicts() throws {
  let gpt = try characterModel("nanogpt", loss: 1.75)
  let kimi = try characterModel("nanokimi", loss: 1.68, parameters: 300_000, stepMs: 10)
  #expect(
    ComparisonTable.verdict(characterResults([gpt, kimi], optimum: 1.5))
      == "NanoKimi is better: 1.6800 nats a character, 0.0700 (4.0%) below NanoGPT, with 1.50 times its "
      + "parameters and 2.00 times its training time. The text itself allows 1.5000, 0.1800 lower.")
  let level = try characterModel("nanokimi", loss: 1.75004)
  #expect(
    ComparisonTable.verdict(characterResults([gpt, level])).hasPrefix(
      "NanoGPT and NanoKimi are level: 1.7500 nats a character, NanoGPT with 1.00 times"))
  #expect(
    ComparisonTable.verdict(characterResults([kimi])) == "NanoKimi reached 1.6800 nats a character.")
  #expect(ComparisonTable.verdict(characterResults([])) == "No model was evaluated.")
}

/// Unequal training compares nothing, whoever is ahead.
@Test func interruptedRunsHaveNoWinner() throws {
  let gpt = try characterModel("nanogpt", loss: 1.75)
  let kimi = try characterModel("nanokimi", loss: 1.68, iterations: 30)
  let results = characterResults([gpt, kimi], interrupted: true)
  #expect(
    ComparisonTable.verdict(results)
      == "Interrupted: NanoGPT made 100, NanoKimi made 30 of 100 iterations. Unequal training compares nothing, so no "
      + "model is called better. NanoGPT reached 1.7500, NanoKimi reached 1.6800 nats a character.")
  let row = try #require(ComparisonTable.text(results).split(separator: "\n").first { $0.hasPrefix("iterations") })
  #expect(row.split(separator: " ").dropFirst() == ["100", "30", "of", "100"])

  let first = characterResults([try characterModel("nanogpt", loss: 2, iterations: 7)], interrupted: true)
  #expect(ComparisonTable.verdict(first).hasPrefix("Interrupted: NanoGPT made 7, NanoKimi made 0 of 100 iterations."))
  // A model whose training failed has made fewer too.
  let failed = ComparisonTable.verdict(characterResults([gpt, kimi]))
  #expect(failed.hasPrefix("Ended early: NanoGPT made 100, NanoKimi made 30") && !failed.contains("is better"))
}

@Test func aRunThatWasMadeLongerSaysSo() throws {
  let results = characterResults([try characterModel("nanokimi", loss: 1.68)], madeLongerAt: [40, 60])
  #expect(
    ComparisonTable.verdict(results)
      == "NanoKimi reached 1.6800 nats a character. The run was made longer after iteration 40 and 60.")
}
