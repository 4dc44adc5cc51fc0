import Foundation
import NanoTraining
import Testing

@testable import NanoReport

@Test func storiesVerdicts() throws {
  let gpt = try storiesModel("nanogpt", loss: 4, seconds: 50, parameters: 1_000_000)
  let total = try storiesModel("nanogpt-total", loss: 2.5, seconds: 80, parameters: 2_500_000)
  let kimi = try storiesModel(
    "nanokimik2", loss: 3, seconds: 100, parameters: 2_000_000, active: 900_000)
  let lines = try StoriesTable.verdict(storiesResults([gpt, kimi, total])).split(separator: "\n")
  #expect(
    lines[0] == "Active-matched, equal tokens: NanoKimiK2 is better, 3.0000 against 4.0000 nats a token of "
      + "NanoGPT, 25.0% lower (900,000 of 2,000,000 parameters active against 1,000,000; 2.00 times the time "
      + "a step).")
  #expect(lines[1].hasPrefix("Total-matched, equal tokens: NanoGPT (total) is better, 2.5000 against 3.0000"))
  // Halfway through its time NanoKimiK2 is halfway from 8 to the 3.5 of the windows that gave the 8.
  #expect(
    lines[2] == "Wall-clock-matched, after 50 s of training each, on the evaluations' windows: NanoGPT is "
      + "better, 4.5000 against 5.7500 nats a token of NanoKimiK2, 21.7% lower.")

  let alone = try StoriesTable.verdict(storiesResults([kimi])).split(separator: "\n")
  #expect(alone[0] == "Active-matched: not run; add nanogpt to --models.")
  #expect(alone[1] == "Total-matched: not run; add nanogpt-total to --models.")
  #expect(alone[2] == "Wall-clock-matched: no partner was run.")
}

@Test func unequalStoriesRunsHaveNoWinner() throws {
  let gpt = try storiesModel("nanogpt", loss: 4, seconds: 50, parameters: 1_000_000)
  let kimi = try storiesModel("nanokimik2", loss: 3, seconds: 100, parameters: 2_000_000)
  let verdict = try StoriesTable.verdict(storiesResults([gpt, kimi], iterations: 200))
  #expect(
    verdict == "Ended early: NanoGPT made 100, NanoKimiK2 made 100, NanoGPT (total) made 0 of 200 iterations. Unequal "
      + "training compares nothing, so no model is called better. NanoGPT reached 4.0000, NanoKimiK2 reached 3.0000 "
      + "nats a token.")
}
