internal import Foundation

/// Bar charts of several figures, two in a row, one bar an arm.
struct BarPanels {
  struct Bar {
    var label: String
    var color: Color
    /// One a seed.
    var values: [Double]
    var value: Double { values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count) }
  }

  struct Panel {
    var title: String
    var unit: String
    var format: String
    var bars: [Bar]
    var reference: (label: String, value: Double)?
  }

  var title: String
  var subtitle: String
  /// Why the bars do not compare the models, if they do not: in the title's place, and nothing is set in proportion.
  var caution: String?
  var panels: [Panel]

  func png() throws(DrawingError) -> Data {
    let (width, height, header) = (900.0, 720.0, 64.0)
    let canvas = try Canvas(width: width, height: height)
    canvas.text(
      caution ?? title, at: Point(x: 40, y: 34), size: caution == nil ? 19 : 14, bold: true)
    canvas.text(subtitle, at: Point(x: 40, y: 54), size: 11.5, color: .faint)
    for (index, panel) in panels.enumerated() {
      let cell = Rectangle(
        x: Double(index % 2) * width / 2, y: header + Double(index / 2) * (height - header) / 2,
        width: width / 2, height: (height - header) / 2)
      draw(panel, in: cell, on: canvas)
    }
    return try canvas.png()
  }

  private func draw(_ panel: Panel, in cell: Rectangle, on canvas: Canvas) {
    let slot = (cell.width - 110 - (panel.reference == nil ? 0 : 34)) / Double(max(1, panel.bars.count))
    let longest = panel.bars.map { canvas.width(of: $0.label, size: 12.5) }.max() ?? 0
    // Names that do not fit beside each other stand upright.
    let isTurned = longest > 0.96 * slot
    let plot = Rectangle(
      x: cell.x + 70, y: cell.y + 62, width: slot * Double(max(1, panel.bars.count)),
      height: cell.height - 78 - (isTurned ? longest : 26))
    let values = panel.bars.map { $0.value.isFinite ? $0.value : 0 }
    let all = values + panel.bars.flatMap { $0.values.filter(\.isFinite) }
    let axis = Axis(0...max(all.max() ?? 1, panel.reference?.value ?? 0, 1e-9) * 1.15, tickCount: 5)
    canvas.text(panel.title, at: Point(x: plot.x, y: cell.y + 30), size: 14, bold: true)
    canvas.text(panel.unit, at: Point(x: plot.x, y: cell.y + 47), size: 11, color: .faint)
    if caution == nil, let ratio = ratioText(panel.bars) {
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
    for (index, bar) in panel.bars.enumerated() {
      func y(_ value: Double) -> Double { plot.maxY - axis.fraction(value) * plot.height }
      let center = plot.x + (Double(index) + 0.5) * slot
      let barWidth = min(92, slot * 0.55)
      canvas.fill(
        Rectangle(
          x: center - barWidth / 2, y: y(values[index]), width: barWidth, height: plot.maxY - y(values[index])),
        bar.color)
      let seeds = bar.values.filter(\.isFinite)
      if seeds.count > 1 {
        for value in seeds { canvas.ring(at: Point(x: center, y: y(value)), radius: 2.6, bar.color) }
      }
      let top = min(y(values[index]), seeds.count > 1 ? y(seeds.max()!) - 3 : .infinity)
      let label = String(format: panel.format, bar.value)
      let width = canvas.width(of: label, size: 13, bold: true)
      let size = min(13, 13 * 0.94 * slot / width)
      // No grid line through the number.
      canvas.fill(
        Rectangle(
          x: center - width * size / 26 - 1, y: top - 20, width: width * size / 13 + 2, height: 17), .paper)
      canvas.text(label, at: Point(x: center, y: top - 7), size: size, bold: true, align: .center)
      if isTurned {
        canvas.text(
          bar.label, at: Point(x: center + 4, y: plot.maxY + 8), size: 12.5, align: .right, turned: true)
      } else {
        canvas.text(bar.label, at: Point(x: center, y: plot.maxY + 19), size: 12.5, align: .center)
      }
    }
    canvas.stroke([Point(x: plot.x, y: plot.maxY), Point(x: plot.maxX, y: plot.maxY)], .faint)
    if let reference = panel.reference {
      let y = plot.maxY - axis.fraction(reference.value) * plot.height
      canvas.stroke(
        [Point(x: plot.x, y: y), Point(x: plot.maxX, y: y)], .ink, width: 1.2, dashes: [5, 4])
      // Beside the bars, not on them.
      canvas.text(reference.label, at: Point(x: plot.maxX + 6, y: y - 2), size: 10.5)
      canvas.text(
        String(format: panel.format, reference.value), at: Point(x: plot.maxX + 6, y: y + 11), size: 10.5)
    }
  }

  /// How the second bar compares with the first.
  private func ratioText(_ bars: [Bar]) -> String? {
    guard bars.count == 2, bars[0].value > 0, bars[1].value.isFinite else { return nil }
    let first = bars[0].label.prefix { $0 != "(" }
    return String(format: "%+.1f%% against ", 100 * (bars[1].value / bars[0].value - 1)) + first
  }
}
