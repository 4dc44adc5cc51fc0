import Foundation
import NanoExperiments
import NanoTestSupport
import NanoTraining
import Testing

@testable import NanoReport

private func study(_ losses: [(gpt: Double, kimi: Double)]) throws -> StudyResults {
  var runs: [RunResult] = []
  for (seed, pair) in losses.enumerated() {
    for (name, loss) in [("nanogpt", pair.gpt), ("nanokimi", pair.kimi)] {
      var result = try run(name, loss: loss)
      result.seed = UInt64(seed)
      runs.append(result)
    }
  }
  let made = try results(.publishedCharacters, runs, arms: [.nanoGPT, .nanoKimi])
  var study = made.study
  study.seeds = losses.indices.map(UInt64.init)
  study.margin = 0.01
  return StudyResults(study, corpus: made.corpus, models: runs)
}

/// The published study's losses of three seeds; the figures are SciPy 1.17.1's `ttest_rel`.
@Test func aSummaryHasEveryFigureOfTheComparison() throws {
  let folder = try TemporaryFolder()
  let results = try study([(1.7369, 1.6759), (1.7270, 1.6820), (1.7147, 1.6739)])
  try StudySummary.write(results, to: folder.path)
  func file(_ name: String) throws -> String { try String(contentsOfFile: "\(folder.path)/\(name)", encoding: .utf8) }
  let summary = try file("summary.md")
  for part in [
    "# seed: 2 arms, 3 seeds", "All 6 runs", "-0.0489", "-0.0754 to -0.0225", "0.01545", "better", "δ = 0.01",
  ] {
    #expect(summary.contains(part), "\(part): \(summary)")
  }
  #expect(
    summary.contains("- NanoKimi against NanoGPT: better, the loss is 0.0489 lower (95% interval -0.0754 to -0.0225, "))
  // Every line of a table is as wide as its first.
  let table = summary.split(separator: "\n").filter { $0.hasPrefix("|") }
  #expect(Set(table.prefix(4).map(\.count)).count == 1, "\(table)")
  let line = try #require(try file("comparisons.csv").split(separator: "\n").last)
  #expect(line.hasPrefix("NanoKimi against NanoGPT,-0.0489,-0.0754 to -0.0225,3,0.01545,0.01545,0.2500,0.0265,better,"))
  let arms = try file("arms.csv")
  #expect(arms.split(separator: "\n").count == 3)
  // Of a short run too it is not zero.
  let operations = try #require(results.analysis?.arms[0].trainingFLOPs)
  #expect(arms.contains(String(format: ",%.3f,", operations / 1e12)), "\(arms)")
  let read = try JSONDecoder.readable.decode(StudyResults.self, from: Data(file("results.json").utf8))
  #expect(read.analysis == results.analysis && read.analysis?.comparisons.count == 1)
}

/// In a window the last columns go, and the text says where they are.
@Test func aSummaryFitsTheWindow() throws {
  let results = try study([(1.7262, 1.6773), (1.7, 1.66)])
  for width in [40, 60, 80, 120] {
    let tables = StudySummary.text(results, width: width).split(separator: "\n").filter { $0.hasPrefix("|") }
    #expect(tables.count >= 6 && tables.allSatisfy { $0.count <= max(width, 45) }, "\(tables)")
    #expect(tables.contains { $0.contains("1.7131") } || width == 40, "\(tables)")
  }
  #expect(StudySummary.text(results, width: 60).contains("Further columns are in summary.md."))
  #expect(StudySummary.text(results, width: 400) == StudySummary.text(results))
}

@Test func aSummaryOfOneSeedClaimsNothing() throws {
  let summary = StudySummary.text(try study([(1.7369, 1.6759)]))
  #expect(summary.contains("One seed: nothing is known of certainty.") && !summary.contains("better,"), "\(summary)")
  #expect(summary.contains("0.0610 lower in one seed, which tells nothing of certainty"))
}
