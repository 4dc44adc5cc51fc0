import CCairo
import Foundation
@testable import NanoReport
import NanoTestSupport
import NanoTraining
import Testing

// MARK: Results

private func decode<Value: Decodable>(_ object: [String: Any]) throws -> Value {
  try JSONDecoder().decode(Value.self, from: JSONSerialization.data(withJSONObject: object))
}

private func characterModel(
  _ name: String, loss: Double, parameters: Int = 200_000, stepMs: Double = 5
) throws -> ModelResult {
  try decode([
    "name": name, "parameters": parameters, "bestValidationLoss": loss, "finalValidationLoss": loss,
    "finalTrainingLoss": 1.5, "perplexity": exp(loss), "parameterEfficiency": 30,
    "trainStepMeanMs": stepMs, "trainStepMedianMs": stepMs, "trainStepWithEvaluationMeanMs": stepMs,
    "inferenceMeanMs": 1, "peakTensorBytes": 12_000_000, "residentGrowthBytesPerStep": 0,
    "peakResidentBytes": 50_000_000, "tokensPerSecond": 1_000, "seconds": 60,
    "completedIterations": 100, "bestIteration": 100,
  ])
}

private func characterResults(_ models: [ModelResult], optimum: Double? = nil) -> StudyResults {
  StudyResults(
    configuration: StudyConfiguration(preset: .seed),
    corpus: CorpusDescription(source: "text", characters: 1_000, vocabulary: 65, optimumNLL: optimum),
    interrupted: false, models: models)
}

/// A model that was evaluated at steps 0 and 100, its loss falling from 8 to `loss` in `seconds`.
private func storiesModel(
  _ name: String, loss: Double, seconds: Double, parameters: Int, active: Int? = nil
) throws -> StoriesResult {
  func point(_ step: Int, _ nll: Double, _ seconds: Double, windows: Double? = nil) -> [String: Any] {
    var point: [String: Any] = [
      "step": step, "trainingSeconds": seconds, "seconds": seconds,
      "validation": [
        "tokens": 10, "nllPerToken": nll, "perplexity": exp(nll), "bitsPerCharacter": nll / 3,
        "bitsPerByte": nll / 3,
      ],
    ]
    point["nllOfWindows"] = windows
    return point
  }
  return try decode([
    "name": name, "parameters": parameters, "activeParameters": active ?? parameters,
    "bestValidationLoss": loss, "finalValidationLoss": loss, "finalTrainingLoss": loss,
    "perplexity": exp(loss), "parameterEfficiency": 1, "bitsPerCharacter": loss / 3,
    "bitsPerByte": loss / 3, "trainStepMeanMs": seconds * 10, "trainStepMedianMs": seconds * 10,
    "trainStepWithEvaluationMeanMs": seconds * 10, "updateShare": 0.1, "peakTensorBytes": 1_000_000,
    "residentGrowthBytesPerStep": 0, "peakResidentBytes": 2_000_000, "tokensPerSecond": 12_345,
    "trainingTokens": 1_234_567, "trainingSeconds": seconds, "seconds": seconds,
    "completedIterations": 100, "bestIteration": 100, "microBatches": 1,
    "checkpointsActivations": false,
    "curve": [point(0, 8, 0), point(100, loss, seconds, windows: loss + 0.5)],
  ])
}

private func storiesResults(_ models: [StoriesResult]) throws -> StoriesResults {
  StoriesResults(
    configuration: StoriesConfiguration(),
    corpus: try decode([
      "source": "stories", "vocabulary": 400, "trainingStories": 9, "validationStories": 1,
      "trainingTokens": 900, "validationTokens": 100, "validationCharacters": 300,
      "validationBytes": 300,
    ]), interrupted: false, models: models)
}

// MARK: Verdicts

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

// MARK: Tables

@Test func tablesAlign() throws {
  let gpt = try storiesModel("nanogpt", loss: 4, seconds: 50, parameters: 1_000_000)
  let kimi = try storiesModel("nanokimik2", loss: 3, seconds: 100, parameters: 12_000_000)
  let results = try storiesResults([gpt, kimi])
  for table in [StoriesTable.text(results), StoriesTable.losses(results)] {
    let lines = table.split(separator: "\n").drop { !$0.contains("NanoGPT") }
    #expect(Set(lines.map(\.count)).count == 1, "\(table)")
  }
  #expect(StoriesTable.text(results).contains("12,000,000"))
  #expect(StoriesTable.losses(results).contains("- / 8.0000"))
}

// MARK: Pictures

/// The last point's full pass reads other text than the points before it: a curve stays on what they all read.
@Test func storiesCurvesStayOnTheSameWindows() throws {
  let curve = LossCurves.Curve(
    try storiesModel("nanokimik2", loss: 3, seconds: 100, parameters: 2_000_000))
  #expect(curve.points.map(\.validation) == [8, 3.5])
  #expect(curve.points.map(\.seconds) == [0, 100])
}

@Test func axesEndWithARoundTick() {
  let whole = Axis(0...9_999, tickCount: 6)
  #expect(whole.ticks == [0, 2_000, 4_000, 6_000, 8_000, 10_000])
  #expect(whole.ticks.map(whole.label) == ["0", "2k", "4k", "6k", "8k", "10k"])
  let short = Axis(0...9_900, tickCount: 6)
  #expect(short.ticks.map(short.label).last == "8000")
  #expect(Axis(0.5...2, tickCount: 7).ticks == [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2])
}

/// How many pixels of a picture have a colour, in each quarter: top left, top right, bottom left and right.
private func pixelCounts(of png: Data, red: Int, green: Int, blue: Int) throws -> [Int] {
  let folder = try TemporaryFolder()
  let path = folder.path + "/picture.png"
  try png.write(to: URL(fileURLWithPath: path))
  let surface = cairo_image_surface_create_from_png(path)
  defer { cairo_surface_destroy(surface) }
  let (width, height) = (
    Int(cairo_image_surface_get_width(surface)), Int(cairo_image_surface_get_height(surface))
  )
  let stride = Int(cairo_image_surface_get_stride(surface))
  let bytes = try #require(cairo_image_surface_get_data(surface))
  var counts = [0, 0, 0, 0]
  for y in 0..<height {
    for x in 0..<width {
      let pixel = bytes + y * stride + 4 * x
      // Cairo's rounding may differ by one.
      if zip([blue, green, red], 0...).allSatisfy({ abs(Int(pixel[$1]) - $0) <= 1 }) {
        counts[(2 * y / height) * 2 + 2 * x / width] += 1
      }
    }
  }
  return counts
}

@Test func barsAreAsHighAsTheirValues() throws {
  let results = characterResults([
    try characterModel("nanogpt", loss: 2, stepMs: 5),
    try characterModel("nanokimi", loss: 1, stepMs: 15),
  ])
  let picture = try ComparisonGraph.draw(results)
  let blue = try pixelCounts(of: picture, red: 56, green: 107, blue: 176)
  let orange = try pixelCounts(of: picture, red: 214, green: 94, blue: 26)
  let expected = [1 / 2.0, 3, 1, 1]
  for (panel, ratio) in expected.enumerated() {
    #expect(blue[panel] > 5_000)
    #expect(abs(Double(orange[panel]) / Double(blue[panel]) / ratio - 1) < 0.02, "panel \(panel)")
  }
}
