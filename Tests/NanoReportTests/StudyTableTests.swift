import Foundation
import NanoExperiments
import NanoTraining
import Testing

@testable import NanoReport

@Test func tablesAlign() throws {
  let gpt = try run("nanogpt", loss: 4, seconds: 50, parameters: 1_000_000)
  let kimi = try run("nanokimik2", loss: 3, seconds: 100, parameters: 12_000_000)
  let study = try results(.stories, [gpt, kimi])
  for table in [StudyTable.text(study), StudyTable.losses(study)] {
    let lines = table.split(separator: "\n").drop { !$0.contains("NanoGPT") }
    #expect(Set(lines.map(\.count)).count == 1, "\(table)")
  }
  #expect(StudyTable.text(study).contains("12,000,000"))
  #expect(StudyTable.losses(study).contains("- / 8.0000"))
}

/// A narrow window has columns below each other rather than broken lines.
@Test func tablesFitTheWindow() throws {
  let study = try results(
    .stories, [try run("nanogpt", loss: 4), try run("nanokimik2", loss: 3), try run("nanogpt-total", loss: 2)])
  for width in [60, 66, 80] {
    for table in [StudyTable.text(study, width: width), StudyTable.losses(study, width: width)] {
      let lines = table.split(separator: "\n").drop { !$0.contains("NanoGPT") }
      #expect(lines.allSatisfy { $0.count <= width }, "\(table)")
      for title in ["NanoGPT", "NanoKimiK2", "NanoGPT (total)"] { #expect(table.contains(title), "\(table)") }
    }
  }
  #expect(StudyTable.text(study, width: 200) == StudyTable.text(study))
}

/// One column under a long name is no wider than its window either.
@Test func longTitlesAreBroken() throws {
  let title = "nanokimik2, Muon's rate 0.02, 3 of 5 seeds, " + String(repeating: "n", count: 40)
  var study = try results(.stories, [try run("nanokimik2", loss: 3)])
  study.models[0].title = title
  for table in [StudyTable.text(study, width: 60), StudyTable.losses(study, width: 60)] {
    let lines = table.split(separator: "\n").drop { !$0.contains("nanokimik2,") }
    #expect(lines.count > 3 && lines.allSatisfy { $0.count <= 60 }, "\(table)")
    #expect(lines.prefix { !$0.hasPrefix("---") }.joined().filter { $0 != " " } == title.filter { $0 != " " })
  }
}

/// Ten runs side by side would be wider than a terminal.
@Test func seedsOfAnArmShareAColumn() throws {
  let runs = try [("nanogpt", 4.0), ("nanogpt", 2), ("nanokimik2", 5)].map {
    try run($0, loss: $1, seconds: 50, parameters: 1_000_000)
  }
  var study = try results(.stories, runs, arms: [.nanoGPT, .nanoKimiK2])
  study.study.seeds = [1, 2]
  let table = StudyTable.text(study)
  #expect(table.contains("mean of 2 seeds"))
  let row = try #require(table.split(separator: "\n").first { $0.hasPrefix("final validation loss") })
  #expect(row.split(separator: " ").suffix(2) == ["3.0000", "5.0000"], "\(table)")
  #expect(table.contains("NanoKimiK2, 1 of 2 seeds"))
  #expect(StudyTable.losses(study).contains("- / 8.0000"))
}

/// The last point's full pass reads other text than the points before it: a curve stays on what they all read.
@Test func curvesStayOnTheSameWindows() throws {
  let curve = LossCurves.Curve(try run("nanokimik2", loss: 3, seconds: 100, parameters: 2_000_000))
  #expect(curve.points.map(\.validation) == [8, 3.5])
  #expect(curve.points.map(\.seconds) == [0, 100])
}

@Test func metricsHoldEveryEvaluation() throws {
  let study = try results(.publishedCharacters, [try run("nanogpt", loss: 2)])
  #expect(
    StudyReport.metrics(study)
      == "model,step,split,loss,seconds\nnanogpt,0,validation,8.000000,0.000\nnanogpt,100,validation,2.000000,60.000\n")
}
