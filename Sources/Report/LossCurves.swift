public import Foundation
public import NanoTraining

/// `loss_curves.png`: loss over iterations and over wall-clock time.
public enum LossCurves {
  /// One model's curve.
  public struct Curve: Sendable {
    public let model: String
    let points: [Entry]

    struct Entry: Sendable {
      let step, seconds, training, validation: Double
    }

    public init(model: String, points: [EvaluationPoint]) {
      self.model = model
      self.points = points.map {
        Entry(
          step: Double($0.step), seconds: $0.seconds, training: $0.trainingLoss,
          validation: $0.validationLoss)
      }
    }

    /// Of the stories study; its first point, before any training, has no training loss.
    public init(_ result: StoriesResult) {
      model = result.name
      points = result.curve.map {
        Entry(
          step: Double($0.step), seconds: $0.trainingSeconds,
          training: $0.trainingLoss ?? $0.comparableNLL,
          validation: $0.comparableNLL)
      }
    }
  }

  /// The picture as PNG data.
  /// - Parameters:
  ///   - unit: what a loss is a number of.
  ///   - timeLabel: what the seconds are.
  ///   - caution: what each model made, where that was not all.
  ///   - optimum: the loss that no model can undercut, drawn as a line.
  public static func draw(
    _ curves: [Curve], unit: String = "nats a character",
    timeLabel: String = "seconds, evaluation included", caution: String? = nil, optimum: Double? = nil
  ) throws -> Data {
    let canvas = try Canvas(width: 1100, height: caution == nil ? 460 : 480)
    if let caution { canvas.text(caution, at: Point(x: 40, y: 472), size: 11.5, color: .faint) }
    let views: [(title: String, label: String, x: (Curve.Entry) -> Double)] = [
      ("Loss over training", "iteration", \.step), ("Loss over time", timeLabel, \.seconds),
    ]
    for (index, view) in views.enumerated() {
      LineChart(
        title: view.title, xLabel: view.label, yLabel: unit,
        series: curves.flatMap { series($0, x: view.x) },
        yRange: lossRange(curves, optimum: optimum),
        reference: optimum.map { ("optimum", $0) }
      ).draw(in: Rectangle(x: 550 * Double(index), y: 0, width: 550, height: 460), on: canvas)
    }
    return try canvas.png()
  }

  private static func series(
    _ curve: Curve, x: (Curve.Entry) -> Double
  ) -> [LineChart.Series] {
    let (color, name) = (Palette.color(of: curve.model), Palette.displayName(of: curve.model))
    return [
      LineChart.Series(
        label: "\(name), training", color: color.withOpacity(0.45),
        points: curve.points.map { Point(x: x($0), y: $0.training) }, width: 1.2, dashes: [3, 3]),
      LineChart.Series(
        label: "\(name), validation", color: color,
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
