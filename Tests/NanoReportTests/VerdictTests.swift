import Foundation
import NanoExperiments
import NanoTraining
import Testing

@testable import NanoReport

@Test func theBestArmIsNamedWhereNothingElseIsCompared() throws {
  let gpt = try run("nanogpt", loss: 1.75, stepMs: 5)
  let kimi = try run("nanokimi", loss: 1.68, parameters: 300_000, stepMs: 10)
  #expect(
    Verdict.text(try results(.publishedCharacters, [gpt, kimi], optimum: 1.5))
      == "NanoKimi has the lower loss: a best validation loss of 1.6800 nats a character, 0.0700 (4.0%) below 1.7500 of NanoGPT, "
      + "with 1.50 times its parameters and 2.00 times its training time. One seed shows nothing of how sure that is. The text itself allows "
      + "1.5000, 0.1800 lower.")
  let level = try run("nanokimi", loss: 1.75004, stepMs: 5)
  #expect(
    Verdict.text(try results(.publishedCharacters, [gpt, level])).hasPrefix(
      "NanoGPT and NanoKimi are level: a best validation loss of 1.7500 nats a character, NanoGPT with 1.00 times"))
  #expect(
    Verdict.text(try results(.publishedCharacters, [kimi]))
      == "NanoKimi reached a best validation loss of 1.6800 nats a character. No other model was trained to compare it "
      + "with.")
  let three = try results(
    .publishedCharacters, [gpt, kimi, try run("nanokimik2", loss: 1.7)], arms: [.nanoGPT, .nanoKimi, .nanoKimiK2])
  #expect(Verdict.text(three).hasPrefix("NanoKimi has the lowest loss of 3: a best validation loss of 1.6800"))
}

/// Unequal training compares nothing, whoever is ahead.
@Test func interruptedRunsHaveNoWinner() throws {
  let gpt = try run("nanogpt", loss: 1.75)
  let kimi = try run("nanokimi", loss: 1.68, iterations: 30)
  let interrupted = try results(.publishedCharacters, [gpt, kimi], interrupted: true)
  #expect(
    Verdict.text(interrupted)
      == "Interrupted: NanoGPT made 100, NanoKimi made 30 of 100 iterations. Unequal training compares nothing, so no "
      + "model is called better. NanoGPT reached 1.7500, NanoKimi reached 1.6800 nats a character.")
  let row = try #require(StudyTable.text(interrupted).split(separator: "\n").first { $0.hasPrefix("iterations") })
  #expect(row.split(separator: " ").dropFirst() == ["100", "30", "of", "100"])

  let first = try results(
    .publishedCharacters, [try run("nanogpt", loss: 2, iterations: 7)], arms: [.nanoGPT, .nanoKimi], interrupted: true)
  #expect(Verdict.text(first).hasPrefix("Interrupted: NanoGPT made 7, NanoKimi made 0 of 100 iterations."))
  // A model whose training failed has made fewer too.
  let failed = Verdict.text(try results(.publishedCharacters, [gpt, kimi]))
  #expect(failed.hasPrefix("Ended early: NanoGPT made 100, NanoKimi made 30") && !failed.contains("lower loss"))
}

/// What the weights score that a run begins with says nothing of the run.
@Test func runsWithoutAnEvaluationOfTrainedWeightsHaveNoFigures() throws {
  let gpt = try run("nanogpt", loss: 1.75)
  var kimi = try run("nanokimi", loss: 8, iterations: 1)
  kimi.curve.removeLast()
  let both = try results(.publishedCharacters, [gpt, kimi], interrupted: true)
  #expect(Verdict.text(both).hasSuffix("is called better. NanoGPT reached 1.7500 nats a character."))
  #expect(StudyTable.text(both).contains("NanoGPT") && !StudyTable.text(both).contains("NanoKimi"))
  let alone = try results(.publishedCharacters, [kimi], interrupted: true)
  #expect(StudyTable.text(alone).isEmpty && StudyTable.losses(alone).isEmpty)
  #expect(Verdict.text(alone).hasSuffix("No model was evaluated after its first step."))
  // Of a study without steps it is what is asked for.
  #expect(StudyTable.text(try results(.publishedCharacters, [kimi], iterations: 0)).contains("8.0000"))
}

@Test func aRunThatWasMadeLongerSaysSo() throws {
  let made = try results(.publishedCharacters, [try run("nanokimi", loss: 1.68)], madeLongerAt: [40, 60])
  #expect(
    Verdict.text(made)
      == "NanoKimi reached a best validation loss of 1.6800 nats a character. No other model was trained to compare it "
      + "with. The run was made longer after iteration 40 and 60.")
}

@Test func storiesAreComparedInThreeWays() throws {
  let gpt = try run("nanogpt", loss: 4, seconds: 50, parameters: 1_000_000)
  let total = try run("nanogpt-total", loss: 2.5, seconds: 80, parameters: 2_500_000)
  let kimi = try run("nanokimik2", loss: 3, seconds: 100, parameters: 2_000_000, active: 900_000)
  let lines = Verdict.text(try results(.stories, [gpt, kimi, total])).split(separator: "\n")
  #expect(
    lines[0]
      == "Active-matched, equal tokens: NanoKimiK2 has the lower loss, 3.0000 nats a token, 25.0% below 4.0000 of "
      + "NanoGPT (900,000 of 2,000,000 parameters active against 1,000,000; 2.00 times the time "
      + "a step).")
  #expect(
    lines[1].hasPrefix(
      "Total-matched, equal tokens: NanoGPT (total) has the lower loss, 2.5000 nats a token, 16.7% below 3.0"))
  // Halfway through its time NanoKimiK2 is halfway from 8 to the 3.5 of the windows that gave the 8.
  #expect(
    lines[2] == "Wall-clock-matched, after 50 s of training each, on the evaluations' windows: NanoGPT has "
      + "the lower loss, 4.5000 nats a token, 21.7% below 5.7500 of NanoKimiK2.")

  let alone = Verdict.text(try results(.stories, [kimi]))
  #expect(alone.hasPrefix("NanoKimiK2 reached a best validation loss of 3.0000 nats a token. No other model"))
  let without = Verdict.text(try results(.stories, [gpt, total])).split(separator: "\n")
  #expect(without[0] == "Active-matched: NanoKimiK2 was not part of this run.", "\(without)")
}

/// The published study's losses of three seeds; the figures are SciPy 1.17.1's `ttest_rel`.
@Test func severalSeedsSayHowSureTheVerdictIs() throws {
  func study(_ gpt: [Double], _ kimi: [Double]) throws -> StudyResults {
    var runs: [RunResult] = []
    for (index, seed) in [1337, 1, 2].enumerated() {
      for (name, losses) in [("nanogpt", gpt), ("nanokimi", kimi)] {
        var result = try run(name, loss: losses[index])
        result.seed = UInt64(seed)
        runs.append(result)
      }
    }
    var results = try results(.publishedCharacters, runs, arms: [.nanoGPT, .nanoKimi])
    results.study.seeds = [1337, 1, 2]
    return results
  }
  let shown = Verdict.text(try study([1.7369, 1.7270, 1.7147], [1.6759, 1.6820, 1.6739]))
  #expect(shown.hasPrefix("NanoKimi is better: a best validation loss of 1.6773 nats"))
  #expect(
    shown.contains(
      "Over 3 paired seeds the difference is -0.0489, its 95% interval from -0.0754 to -0.0225, p 0.0155; less than 0.0265"
    ), "\(shown)")
  // The means are as far apart, but one pair says the opposite.
  let open = Verdict.text(try study([1.80, 1.65, 1.72], [1.68, 1.68, 1.67]))
  #expect(open.hasPrefix("No difference is shown: best validation losses of 1.6767 nats"), "\(open)")
  #expect(!open.contains("is better"))
}
