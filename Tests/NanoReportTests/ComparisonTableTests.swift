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
