public import Foundation
public import NanoTraining

/// `loss_curves.png`: loss over iterations and over wall-clock time.
public enum LossCurves {
  /// One model's curve.
  public struct Curve: Sendable {
    public let model: String
    public let points: [EvaluationPoint]

    public init(model: String, points: [EvaluationPoint]) {
      self.model = model
      self.points = points
    }
  }

  /// The picture as PNG data.
  /// - Parameter optimum: the loss that no model can undercut, drawn as a line.
  public static func draw(_ curves: [Curve], optimum: Double? = nil) throws -> Data {
    let canvas = try Canvas(width: 1100, height: 460)
    draw(
      curves, optimum: optimum, title: "Loss over training", xLabel: "iteration",
      x: { Double($0.step) },
      in: Rectangle(x: 0, y: 0, width: 550, height: 460), on: canvas)
    draw(
      curves, optimum: optimum, title: "Loss over time", xLabel: "seconds, evaluation included",
      x: \.seconds, in: Rectangle(x: 550, y: 0, width: 550, height: 460), on: canvas)
    return try canvas.png()
  }

  private static func draw(
    _ curves: [Curve], optimum: Double?, title: String, xLabel: String,
    x: (EvaluationPoint) -> Double, in cell: Rectangle, on canvas: Canvas
  ) {
    let plot = Rectangle(
      x: cell.x + 70, y: cell.y + 56, width: cell.width - 96, height: cell.height - 116)
    let points = curves.flatMap(\.points)
    let xAxis = Axis(0...max(1, points.map(x).max() ?? 1), tickCount: 6)
    let yAxis = Axis(lossRange(curves, optimum: optimum), tickCount: 7)
    func place(_ x: Double, _ y: Double) -> Point {
      Point(
        x: plot.x + xAxis.fraction(x) * plot.width, y: plot.maxY - yAxis.fraction(y) * plot.height)
    }

    canvas.text(title, at: Point(x: plot.x, y: cell.y + 32), size: 14, bold: true)
    for tick in yAxis.ticks {
      let point = place(0, tick)
      canvas.stroke([point, Point(x: plot.maxX, y: point.y)], .grid)
      canvas.text(
        yAxis.label(tick), at: Point(x: plot.x - 8, y: point.y + 4), size: 11, color: .faint,
        align: .right)
    }
    for tick in xAxis.ticks {
      canvas.text(
        xAxis.label(tick), at: Point(x: place(tick, 0).x, y: plot.maxY + 17), size: 11,
        color: .faint,
        align: .center)
    }
    canvas.stroke([Point(x: plot.x, y: plot.maxY), Point(x: plot.maxX, y: plot.maxY)], .faint)
    canvas.text(
      xLabel, at: Point(x: plot.x + plot.width / 2, y: plot.maxY + 38), size: 11.5, align: .center)
    canvas.text(
      "nats a character", at: Point(x: cell.x + 24, y: plot.y + plot.height / 2), size: 11.5,
      align: .center, turned: true)

    if let optimum {
      let y = place(0, optimum).y
      canvas.stroke(
        [Point(x: plot.x, y: y), Point(x: plot.maxX, y: y)], .ink, dashes: [5, 4], clippedTo: plot)
      canvas.text("optimum", at: Point(x: plot.maxX, y: y - 5), size: 10.5, align: .right)
    }
    var legendY = plot.y + 14
    for curve in curves {
      let color = Palette.color(of: curve.model)
      canvas.stroke(
        curve.points.map { place(x($0), $0.trainingLoss) }, color.withOpacity(0.45), width: 1.2,
        dashes: [3, 3], clippedTo: plot)
      canvas.stroke(
        curve.points.map { place(x($0), $0.validationLoss) }, color, width: 2, clippedTo: plot)
      for (label, dashes, opacity) in [("validation", [], 1.0), ("training", [3.0, 3.0], 0.45)] {
        let name = "\(Palette.displayName(of: curve.model)), \(label)"
        canvas.stroke(
          [Point(x: plot.maxX - 178, y: legendY - 4), Point(x: plot.maxX - 150, y: legendY - 4)],
          color.withOpacity(opacity), width: 2, dashes: dashes)
        canvas.text(name, at: Point(x: plot.maxX - 142, y: legendY), size: 11.5)
        legendY += 18
      }
    }
  }

  /// From a little below the lowest loss to what was reached after a twentieth of the way: the first steps
  /// fall so steeply that showing them whole would flatten everything after.
  private static func lossRange(_ curves: [Curve], optimum: Double?) -> ClosedRange<Double> {
    let losses = curves.flatMap { curve in
      curve.points.flatMap { [$0.trainingLoss, $0.validationLoss] }
    }.filter(\.isFinite)
    guard let lowest = losses.min(), let highest = losses.max() else { return 0...1 }
    let early = curves.compactMap { curve -> Double? in
      guard curve.points.count > 20 else { return nil }
      return curve.points[curve.points.count / 20].validationLoss
    }.max()
    let bottom = min(lowest, optimum ?? lowest)
    let top = max(min(early ?? highest, highest), bottom + 0.01)
    let margin = 0.06 * (top - bottom)
    return bottom - margin...top + margin
  }
}
