public import Foundation
internal import NanoModels
internal import NanoTensor
public import NanoTraining

/// The pictures of a stories run.
public enum StoriesFigures {
  /// All pictures by file name.
  /// - Parameter metrics: the models and the folders with their `metrics.jsonl`.
  public static func draw(
    _ results: StoriesResults, metrics: [(model: String, folder: String)]
  ) throws -> [(name: String, png: Data)] {
    let records = metrics.map { (model: $0.model, records: readRecords($0.folder)) }
    var figures = [
      ("comparison_graph.png", try comparison(results)),
      (
        "loss_curves.png",
        try LossCurves.draw(
          results.models.map { LossCurves.Curve($0) }, unit: "nats a token",
          timeLabel: "seconds of training", caution: Completeness(results).caution)
      ),
      ("memory.png", try memory(records)),
    ]
    if let routed = records.first(where: { $0.records.contains { !$0.mixtures.isEmpty } }) {
      figures.append(("experts.png", try ExpertLoads.draw(routed.records, model: routed.model)))
    }
    return figures
  }

  private static func readRecords(_ folder: String) -> [StepRecord] {
    guard let data = FileManager.default.contents(atPath: folder + "/metrics.jsonl") else { return [] }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let lines = data.split(separator: UInt8(ascii: "\n"))
    // About as many as a picture has columns.
    let step = max(1, lines.count / 400)
    return stride(from: 0, to: lines.count, by: step).compactMap {
      try? decoder.decode(StepRecord.self, from: lines[$0])
    }
  }

  private static func comparison(_ results: StoriesResults) throws -> Data {
    func bars(_ value: (StoriesResult) -> Double) -> [BarPanels.Bar] {
      results.models.map { BarPanels.Bar(model: $0.name, value: value($0)) }
    }
    let c = results.configuration
    return try BarPanels(
      title: "Stories study, size \(c.size.rawValue)",
      subtitle: "\(c.iterations) iterations, batch \(c.batchSize), context \(c.contextLength), "
        + "\(results.corpus.vocabulary) pieces, seed \(results.seed), \(results.precision.rawValue), "
        + results.machine.processor,
      caution: Completeness(results).caution,
      panels: [
        BarPanels.Panel(
          title: "Best validation loss", unit: "bits a character", format: "%.4f",
          bars: bars(\.bitsPerCharacter)),
        BarPanels.Panel(
          title: "Training time", unit: "ms a step", format: "%.1f", bars: bars(\.trainStepMeanMs)),
        BarPanels.Panel(
          title: "Peak tensor memory", unit: "MB", format: "%.0f",
          bars: bars { Double($0.peakTensorBytes) / 1e6 }),
        BarPanels.Panel(
          title: "Training speed", unit: "tokens a second", format: "%.0f",
          bars: bars(\.tokensPerSecond)),
      ]
    ).png()
  }

  private static func memory(_ records: [(model: String, records: [StepRecord])]) throws -> Data {
    let canvas = try Canvas(width: 800, height: 460)
    let series = records.flatMap { model, records -> [LineChart.Series] in
      let (color, name) = (Palette.color(of: model), Palette.displayName(of: model))
      return [
        LineChart.Series(
          label: "\(name), tensors at most", color: color,
          points: records.map {
            Point(x: Double($0.step), y: Double($0.peakTensorBytes) / 1e6)
          }),
        LineChart.Series(
          label: "\(name), resident", color: color.withOpacity(0.5),
          points: records.map { Point(x: Double($0.step), y: Double($0.residentBytes) / 1e6) },
          dashes: [3, 3]),
      ]
    }
    LineChart(
      title: "Memory over training", xLabel: "iteration", yLabel: "MB", series: series,
      keepsLegendFree: true
    ).draw(in: Rectangle(x: 0, y: 0, width: 800, height: 460), on: canvas)
    return try canvas.png()
  }
}
