internal import Foundation
internal import NanoExperiments
internal import NanoTraining

/// `loss_curves.png`: loss over iterations and over the time of training.
enum LossCurves {
  /// One run's curve.
  struct Curve {
    let arm: String
    let title: String
    let points: [Entry]

    struct Entry {
      let step, seconds, training, validation: Double
    }

    /// A first point, before any training, may have no training loss.
    init(_ result: RunResult) {
      arm = result.name
      title = result.title
      points = result.curve.map {
        Entry(
          step: Double($0.step), seconds: $0.trainingSeconds, training: $0.trainingLoss ?? $0.comparableNLL,
          validation: $0.comparableNLL)
      }
    }
  }

  /// The picture as PNG data.
  static func draw(_ results: StudyResults) throws -> Data {
    let curves = results.models.map { Curve($0) }
    let (caution, optimum) = (Completeness(results).caution, results.corpus.optimumNLL)
    let canvas = try Canvas(width: 1100, height: caution == nil ? 460 : 480)
    if let caution { canvas.text(caution, at: Point(x: 40, y: 472), size: 11.5, color: .faint) }
    let views: [(title: String, label: String, x: (Curve.Entry) -> Double)] = [
      ("Loss over training", "iteration", \.step), ("Loss over time", "seconds of training", \.seconds),
    ]
    for (index, view) in views.enumerated() {
      LineChart(
        title: view.title, xLabel: view.label, yLabel: "nats a \(results.corpus.unit)",
        series: curves.flatMap { series($0, Palette(results.study), x: view.x) },
        yRange: lossRange(curves, optimum: optimum),
        reference: optimum.map { ("optimum", $0) }
      ).draw(in: Rectangle(x: 550 * Double(index), y: 0, width: 550, height: 460), on: canvas)
    }
    return try canvas.png()
  }

  private static func series(
    _ curve: Curve, _ palette: Palette, x: (Curve.Entry) -> Double
  ) -> [LineChart.Series] {
    let color = palette.color(of: curve.arm)
    return [
      LineChart.Series(
        label: "\(curve.title), training", color: color.withOpacity(0.45),
        points: curve.points.map { Point(x: x($0), y: $0.training) }, width: 1.2, dashes: [3, 3]),
      LineChart.Series(
        label: "\(curve.title), validation", color: color,
        points: curve.points.map { Point(x: x($0), y: $0.validation) }),
    ]
  }

  /// From a little below the lowest loss to what was reached after a twentieth of the way: the first steps
  /// fall so steeply that showing them whole would flatten everything after.
  private static func lossRange(_ curves: [Curve], optimum: Double?) -> ClosedRange<Double> {
    let losses = curves.flatMap { $0.points.flatMap { [$0.training, $0.validation] } }
      .filter(\.isFinite)
    guard let lowest = losses.min(), let highest = losses.max() else { return 0...1 }
    let early = curves.compactMap { curve -> Double? in
      guard curve.points.count > 4 else { return nil }
      return curve.points[max(1, curve.points.count / 20)].validation
    }.max()
    let bottom = min(lowest, optimum ?? lowest)
    let top = max(min(early ?? highest, highest), bottom + 0.01)
    let margin = 0.06 * (top - bottom)
    return bottom - margin...top + margin
  }
}
