internal import Foundation
internal import NanoTraining

/// `experts.png`: for every mixture a map of each expert's load over training, and the imbalance as lines.
enum ExpertLoads {
  static func draw(_ records: [StepRecord], title: String) throws -> Data {
    let mixtures = records.first { !$0.mixtures.isEmpty }?.mixtures.count ?? 0
    let columns = 2
    let rows = (mixtures + columns - 1) / columns
    let (cellWidth, cellHeight, header) = (500.0, 150.0, 70.0)
    let chartHeight = 400.0
    let canvas = try Canvas(
      width: cellWidth * Double(columns), height: header + Double(rows) * cellHeight + chartHeight)
    canvas.text(
      "Expert load over training, \(title)", at: Point(x: 40, y: 34),
      size: 17, bold: true)
    canvas.text(
      "each row an expert, white no token, ink twice the mean load or more",
      at: Point(x: 40, y: 54), size: 11.5, color: .faint)
    for mixture in 0..<mixtures {
      let cell = Rectangle(
        x: Double(mixture % columns) * cellWidth,
        y: header + Double(mixture / columns) * cellHeight, width: cellWidth, height: cellHeight)
      drawMap(records, mixture: mixture, in: cell, on: canvas)
    }
    imbalance(records).draw(
      in: Rectangle(
        x: 0, y: header + Double(rows) * cellHeight, width: cellWidth * 2, height: chartHeight),
      on: canvas)
    return try canvas.png()
  }

  private static func drawMap(
    _ records: [StepRecord], mixture: Int, in cell: Rectangle, on canvas: Canvas
  ) {
    let plot = Rectangle(
      x: cell.x + 70, y: cell.y + 26, width: cell.width - 96, height: cell.height - 44)
    canvas.text("mixture \(mixture + 1)", at: Point(x: plot.x, y: cell.y + 19), size: 12, bold: true)
    // Neighbouring steps together, so that a column is wide enough to see and less noisy.
    let columns = min(120, records.count)
    for column in 0..<columns {
      let part = records[column * records.count / columns..<(column + 1) * records.count / columns]
      let loads = part.compactMap { mixture < $0.mixtures.count ? $0.mixtures[mixture].loads : nil }
      guard let count = loads.first?.count else { continue }
      for expert in 0..<count {
        let share = loads.map { $0[expert] }.reduce(0, +) / Double(loads.count)
        let height = plot.height / Double(count)
        canvas.fill(
          Rectangle(
            x: plot.x + Double(column) * plot.width / Double(columns),
            y: plot.y + Double(expert) * height, width: plot.width / Double(columns) + 0.5,
            height: height - 0.5),
          Color.ink.withOpacity(min(1, share * Double(count) / 2)))
      }
    }
    canvas.text(
      "expert", at: Point(x: plot.x - 10, y: plot.y + plot.height / 2), size: 10.5, color: .faint,
      align: .center, turned: true)
  }

  private static func imbalance(_ records: [StepRecord]) -> LineChart {
    func line(_ label: String, _ color: Color, _ value: ([MixtureRecord]) -> Double)
      -> LineChart.Series
    {
      LineChart.Series(
        label: label, color: color,
        points: records.filter { !$0.mixtures.isEmpty }.map {
          Point(x: Double($0.step), y: value($0.mixtures))
        }, width: 1.4)
    }
    return LineChart(
      title: "Maximal violation of balance (largest load over mean, minus 1)", xLabel: "iteration",
      yLabel: "violation",
      series: [
        line("worst mixture", Palette.imbalance) {
          $0.map(\.maximalViolation).max() ?? 0
        },
        line("mean of mixtures", Palette.meanImbalance) {
          $0.map(\.maximalViolation).mean
        },
      ])
  }
}
