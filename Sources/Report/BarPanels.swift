internal import Foundation

/// Bar charts of several figures, two in a row, one bar a run.
struct BarPanels {
  struct Bar {
    var label: String
    var color: Color
    var value: Double
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
    let plot = Rectangle(
      x: cell.x + 70, y: cell.y + 62, width: cell.width - 110, height: cell.height - 104)
    let values = panel.bars.map { $0.value.isFinite ? $0.value : 0 }
    let highest = max(values.max() ?? 1, panel.reference?.value ?? 0, 1e-9)
    let axis = Axis(0...highest * 1.15, tickCount: 5)
    canvas.text(panel.title, at: Point(x: plot.x, y: cell.y + 30), size: 14, bold: true)
    canvas.text(panel.unit, at: Point(x: plot.x, y: cell.y + 47), size: 11, color: .faint)
    if caution == nil, let ratio = Self.ratioText(values) {
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
    let slot = plot.width / Double(max(1, panel.bars.count))
    for (index, bar) in panel.bars.enumerated() {
      let height = axis.fraction(values[index]) * plot.height
      let center = plot.x + (Double(index) + 0.5) * slot
      let barWidth = min(92, slot * 0.55)
      canvas.fill(
        Rectangle(
          x: center - barWidth / 2, y: plot.maxY - height, width: barWidth, height: height),
        bar.color)
      let label = String(format: panel.format, bar.value)
      let labelWidth = 1.15 * canvas.width(of: label, size: 13)
      // No grid line through the number.
      canvas.fill(
        Rectangle(
          x: center - labelWidth / 2, y: plot.maxY - height - 20, width: labelWidth, height: 17), .paper)
      canvas.text(
        label, at: Point(x: center, y: plot.maxY - height - 7), size: 13, bold: true, align: .center)
      canvas.text(
        bar.label, at: Point(x: center, y: plot.maxY + 19), size: 12.5,
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
