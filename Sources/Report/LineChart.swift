internal import Foundation

/// Lines over a common horizontal axis, with a legend below.
struct LineChart {
  struct Series {
    /// In the legend; nil for a line that has no entry of its own.
    var label: String?
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
  /// A level that is drawn across.
  var reference: (label: String, value: Double)?

  private static let legendRow = 18.0

  func draw(in cell: Rectangle, on canvas: Canvas) {
    let legend = legendRows(width: cell.width - 96, canvas)
    let plot = Rectangle(
      x: cell.x + 70, y: cell.y + 56, width: cell.width - 96,
      height: cell.height - 116 - Self.legendRow * Double(legend.count))
    let points = series.flatMap(\.points)
    let xAxis = Axis(0...max(1, points.map(\.x).max() ?? 1), tickCount: 6)
    let highest = max(points.map(\.y).max() ?? 1, 1e-9) * 1.08
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
      // At the left, where losses are still high.
      canvas.text(reference.label, at: Point(x: plot.x + 6, y: y - 5), size: 10.5)
    }
    for line in series {
      canvas.stroke(
        line.points.map(place), line.color, width: line.width, dashes: line.dashes, clippedTo: plot)
    }
    for (row, entries) in legend.enumerated() {
      for entry in entries {
        let (x, y) = (plot.x + entry.x, plot.maxY + 60 + Self.legendRow * Double(row))
        canvas.stroke(
          [Point(x: x, y: y - 4), Point(x: x + 28, y: y - 4)], entry.line.color, width: 2, dashes: entry.line.dashes)
        canvas.text(entry.line.label ?? "", at: Point(x: x + 36, y: y), size: 11.5)
      }
    }
  }

  /// The lines with a label, as many in a row as fit.
  private func legendRows(width: Double, _ canvas: Canvas) -> [[(x: Double, line: Series)]] {
    var rows: [[(x: Double, line: Series)]] = []
    var x = Double.infinity
    for line in series {
      guard let label = line.label else { continue }
      let entryWidth = 56 + canvas.width(of: label, size: 11.5)
      if x + entryWidth > width + 20 {
        rows.append([])
        x = 0
      }
      rows[rows.count - 1].append((x, line))
      x += entryWidth
    }
    return rows
  }
}
