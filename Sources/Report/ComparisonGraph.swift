public import Foundation
internal import NanoTensor
public import NanoTraining

/// `comparison_graph.png`: validation loss, training time, memory and inference time as four bar charts.
public enum ComparisonGraph {
  private struct Panel {
    let title: String
    let unit: String
    let format: String
    let value: (ModelResult) -> Double
    var reference: (label: String, value: Double)?
  }

  /// The picture as PNG data.
  public static func draw(_ results: StudyResults) throws -> Data {
    let optimum = results.corpus.optimumNLL.map { (label: "optimum", value: $0) }
    let panels = [
      Panel(
        title: "Best validation loss", unit: "nats a character", format: "%.4f",
        value: \.bestValidationLoss, reference: optimum),
      Panel(
        title: "Training time", unit: "ms a step", format: "%.2f", value: \.trainStepMeanMs),
      Panel(
        title: "Peak tensor memory", unit: "MB", format: "%.1f",
        value: { Double($0.peakTensorBytes) / 1e6 }),
      Panel(
        title: "Inference time", unit: "ms a batch", format: "%.2f", value: \.inferenceMeanMs),
    ]
    let (width, height, header) = (900.0, 720.0, 64.0)
    let canvas = try Canvas(width: width, height: height)
    canvas.text(
      "Character study: \(results.models.map { Palette.displayName(of: $0.name) }.joined(separator: " and "))",
      at: Point(x: 40, y: 34), size: 19, bold: true)
    canvas.text(
      subtitle(results), at: Point(x: 40, y: 54), size: 11.5, color: .faint)
    for (index, panel) in panels.enumerated() {
      let cell = Rectangle(
        x: Double(index % 2) * width / 2, y: header + Double(index / 2) * (height - header) / 2,
        width: width / 2, height: (height - header) / 2)
      draw(panel, results.models, in: cell, on: canvas)
    }
    return try canvas.png()
  }

  private static func subtitle(_ results: StudyResults) -> String {
    let configuration = results.configuration
    let iterations = results.models.map(\.completedIterations).max() ?? 0
    return
      "\(iterations) iterations, batch \(configuration.batchSize), context \(configuration.contextLength), "
      + "width \(configuration.width), \(configuration.layerCount) layers, seed \(results.seed), "
      + "\(results.precision.rawValue), \(results.machine.processor)"
  }

  private static func draw(
    _ panel: Panel, _ models: [ModelResult], in cell: Rectangle, on canvas: Canvas
  ) {
    let plot = Rectangle(
      x: cell.x + 70, y: cell.y + 62, width: cell.width - 110, height: cell.height - 104)
    let values = models.map(panel.value).map { $0.isFinite ? $0 : 0 }
    let highest = max(values.max() ?? 1, panel.reference?.value ?? 0, 1e-9)
    let axis = Axis(0...highest * 1.15, tickCount: 5)
    canvas.text(panel.title, at: Point(x: plot.x, y: cell.y + 30), size: 14, bold: true)
    canvas.text(panel.unit, at: Point(x: plot.x, y: cell.y + 47), size: 11, color: .faint)
    if let ratio = ratioText(values) {
      canvas.text(
        ratio, at: Point(x: plot.maxX, y: cell.y + 30), size: 11.5, color: .faint, align: .right)
    }
    for tick in axis.ticks {
      let y = plot.maxY - axis.fraction(tick) * plot.height
      canvas.stroke([Point(x: plot.x, y: y), Point(x: plot.maxX, y: y)], .grid)
      canvas.text(
        axis.label(tick), at: Point(x: plot.x - 8, y: y + 4), size: 11, color: .faint, align: .right
      )
    }
    let slot = plot.width / Double(max(1, models.count))
    for (index, model) in models.enumerated() {
      let height = axis.fraction(values[index]) * plot.height
      let center = plot.x + (Double(index) + 0.5) * slot
      let barWidth = min(92, slot * 0.55)
      canvas.fill(
        Rectangle(
          x: center - barWidth / 2, y: plot.maxY - height, width: barWidth, height: height),
        Palette.color(of: model.name))
      canvas.text(
        String(format: panel.format, panel.value(model)),
        at: Point(x: center, y: plot.maxY - height - 7), size: 13, bold: true, align: .center)
      canvas.text(
        Palette.displayName(of: model.name), at: Point(x: center, y: plot.maxY + 19), size: 12.5,
        align: .center)
    }
    canvas.stroke([Point(x: plot.x, y: plot.maxY), Point(x: plot.maxX, y: plot.maxY)], .faint)
    if let reference = panel.reference {
      let y = plot.maxY - axis.fraction(reference.value) * plot.height
      canvas.stroke(
        [Point(x: plot.x, y: y), Point(x: plot.maxX, y: y)], .ink, width: 1.2, dashes: [5, 4])
      canvas.text(
        "\(reference.label) \(String(format: panel.format, reference.value))",
        at: Point(x: plot.maxX + 4, y: y - 5), size: 10.5, align: .right)
    }
  }

  /// How the second bar compares with the first.
  private static func ratioText(_ values: [Double]) -> String? {
    guard values.count == 2, values[0] > 0 else { return nil }
    return String(format: "%+.1f%%", 100 * (values[1] / values[0] - 1))
  }
}
