internal import Foundation

/// Lines over a common horizontal axis, with a legend.
struct LineChart {
  struct Series {
    var label: String
    var color: Color
    var points: [Point]
    var width = 2.0
    var dashes: [Double] = []
  }

  var title: String
  var xLabel: String
  var yLabel: String
  var series: [Series]
  /// Nil for from zero, or below, to the largest value.
  var yRange: ClosedRange<Double>?
  /// Whether lines that run level to the right end stay below the legend; without ``yRange`` only.
  var keepsLegendFree = false
  /// A level that is drawn across.
  var reference: (label: String, value: Double)?

  private static let legendRow = 18.0

  func draw(in cell: Rectangle, on canvas: Canvas) {
    let plot = Rectangle(
      x: cell.x + 70, y: cell.y + 56, width: cell.width - 96, height: cell.height - 116)
    let points = series.flatMap(\.points)
    let xAxis = Axis(0...max(1, points.map(\.x).max() ?? 1), tickCount: 6)
    let share = keepsLegendFree ? 1 - (Self.legendRow * Double(series.count) + 12) / plot.height : 1 / 1.08
    let highest = max(points.map(\.y).max() ?? 1, 1e-9) / share
    let yAxis = Axis(yRange ?? min(0, points.map(\.y).min() ?? 0)...highest, tickCount: 7)
    func place(_ point: Point) -> Point {
      Point(
        x: plot.x + xAxis.fraction(point.x) * plot.width,
        y: plot.maxY - yAxis.fraction(point.y) * plot.height)
    }

    canvas.text(title, at: Point(x: plot.x, y: cell.y + 32), size: 14, bold: true)
    for tick in yAxis.ticks {
      let y = place(Point(x: 0, y: tick)).y
      canvas.stroke([Point(x: plot.x, y: y), Point(x: plot.maxX, y: y)], .grid)
      canvas.text(
        yAxis.label(tick), at: Point(x: plot.x - 8, y: y + 4), size: 11, color: .faint,
        align: .right)
    }
    for tick in xAxis.ticks {
      canvas.text(
        xAxis.label(tick), at: Point(x: place(Point(x: tick, y: 0)).x, y: plot.maxY + 17), size: 11,
        color: .faint, align: .center)
    }
    canvas.stroke([Point(x: plot.x, y: plot.maxY), Point(x: plot.maxX, y: plot.maxY)], .faint)
    canvas.text(
      xLabel, at: Point(x: plot.x + plot.width / 2, y: plot.maxY + 38), size: 11.5, align: .center)
    canvas.text(
      yLabel, at: Point(x: cell.x + 24, y: plot.y + plot.height / 2), size: 11.5, align: .center,
      turned: true)
    if let reference {
      let y = place(Point(x: 0, y: reference.value)).y
      canvas.stroke(
        [Point(x: plot.x, y: y), Point(x: plot.maxX, y: y)], .ink, dashes: [5, 4], clippedTo: plot)
      canvas.text(reference.label, at: Point(x: plot.maxX, y: y - 5), size: 10.5, align: .right)
    }
    for line in series {
      canvas.stroke(
        line.points.map(place), line.color, width: line.width, dashes: line.dashes, clippedTo: plot)
    }
    drawLegend(in: plot, on: canvas)
  }

  private func drawLegend(in plot: Rectangle, on canvas: Canvas) {
    let labelWidth = series.map { canvas.width(of: $0.label, size: 11.5) }.max() ?? 0
    let x = plot.maxX - labelWidth - 8
    for (index, line) in series.enumerated() {
      let y = plot.y + 14 + Self.legendRow * Double(index)
      canvas.stroke(
        [Point(x: x - 36, y: y - 4), Point(x: x - 8, y: y - 4)], line.color, width: 2,
        dashes: line.dashes)
      canvas.text(line.label, at: Point(x: x, y: y), size: 11.5)
    }
  }
}
