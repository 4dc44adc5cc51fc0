internal import Foundation
internal import NanoExperiments
internal import NanoTensor
internal import NanoTraining

/// The pictures of a study.
enum Figures {
  /// All pictures by file name.
  /// - Parameter records: of the runs, in the order of the results.
  static func draw(_ results: StudyResults, _ records: [[StepRecord]]) throws -> [(name: String, png: Data)] {
    let records = zip(results.models, records).map { (result: $0, records: $1) }
    var figures = [
      ("comparison_graph.png", try comparison(results)), ("loss_curves.png", try LossCurves.draw(results)),
      // Seeds are as alike here as two runs of one.
      (
        "memory.png",
        try memory(records.filter { $0.result.seed == results.study.seeds.first }, Palette(results.study))
      ),
    ]
    if let routed = records.first(where: { $0.records.contains { !$0.mixtures.isEmpty } }) {
      figures.append(("experts.png", try ExpertLoads.draw(routed.records, title: routed.result.title)))
    }
    return figures
  }

  /// About as many records as a picture has columns.
  static func readRecords(_ folder: String) -> [StepRecord] {
    guard let data = FileManager.default.contents(atPath: folder + "/metrics.jsonl") else { return [] }
    let lines = data.split(separator: UInt8(ascii: "\n"))
    let step = max(1, lines.count / 400)
    let decoder = JSONDecoder.readable
    return stride(from: 0, to: lines.count, by: step).compactMap {
      try? decoder.decode(StepRecord.self, from: lines[$0])
    }
  }

  /// `comparison_graph.png`: loss, training time, memory, and the time of inference where it is known.
  static func comparison(_ results: StudyResults) throws -> Data {
    let palette = Palette(results.study)
    func bars(_ value: (RunResult) -> Double) -> [BarPanels.Bar] {
      results.study.arms.compactMap { arm in
        let values = results.models.filter { $0.name == arm.name }.map(value)
        return values.isEmpty
          ? nil : BarPanels.Bar(label: arm.title, color: palette.color(of: arm.name), values: values)
      }
    }
    let isOfCharacters = results.corpus.kind == .characters
    let speed =
      results.models.contains { $0.inferenceMeanMs == nil }
      ? BarPanels.Panel(
        title: "Training speed", unit: "tokens a second", format: "%.0f", bars: bars(\.tokensPerSecond))
      : BarPanels.Panel(
        title: "Inference time", unit: "ms a batch", format: "%.2f", bars: bars { $0.inferenceMeanMs ?? 0 })
    return try BarPanels(
      title: results.title, subtitle: results.subtitle,
      caution: Completeness(results).caution,
      panels: [
        BarPanels.Panel(
          title: "Best validation loss", unit: isOfCharacters ? "nats a character" : "bits a character",
          format: "%.4f", bars: bars(isOfCharacters ? \.bestValidationLoss : \.bitsPerCharacter),
          reference: results.corpus.optimumNLL.map { (label: "optimum", value: $0) }),
        BarPanels.Panel(
          title: "Training time", unit: "ms a step", format: isOfCharacters ? "%.2f" : "%.1f",
          bars: bars(\.trainStepMeanMs)),
        BarPanels.Panel(
          title: "Peak tensor memory", unit: "MB", format: isOfCharacters ? "%.1f" : "%.0f",
          bars: bars { Double($0.peakTensorBytes) / 1e6 }),
        speed,
      ]
    ).png()
  }

  private static func memory(
    _ runs: [(result: RunResult, records: [StepRecord])], _ palette: Palette
  ) throws -> Data {
    let canvas = try Canvas(width: 800, height: 460)
    let series = runs.flatMap { result, records -> [LineChart.Series] in
      let color = palette.color(of: result.name)
      func series(
        _ label: String, _ color: Color, dashes: [Double] = [], _ bytes: (StepRecord) -> Int
      ) -> LineChart.Series {
        LineChart.Series(
          label: "\(result.title), \(label)", color: color,
          points: records.map { Point(x: Double($0.step), y: Double(bytes($0)) / 1e6) }, dashes: dashes)
      }
      return [
        series("tensors at most", color, \.peakTensorBytes),
        series("resident", color.withOpacity(0.5), dashes: [3, 3], \.residentBytes),
      ]
    }
    LineChart(
      title: "Memory over training", xLabel: "iteration", yLabel: "MB", series: series
    ).draw(in: Rectangle(x: 0, y: 0, width: 800, height: 460), on: canvas)
    return try canvas.png()
  }
}
