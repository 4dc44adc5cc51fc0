internal import Foundation
internal import NanoExperiments
internal import NanoTraining

/// `loss_curves.png`: loss over iterations and over the time of training.
enum LossCurves {
  /// One run's curve.
  struct Curve {
    let arm: String
    let points: [Entry]

    struct Entry {
      let step, seconds, training, validation: Double
    }

    /// A first point, before any training, may have no training loss.
    init(_ result: RunResult) {
      arm = result.name
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
    let arms = results.study.arms.map { arm in curves.filter { $0.arm == arm.name } }.filter { !$0.isEmpty }
    let (caution, optimum) = (Completeness(results).caution, results.corpus.optimumNLL)
    let canvas = try Canvas(width: 1100, height: caution == nil ? 460 : 480)
    if let caution { canvas.text(caution, at: Point(x: 40, y: 472), size: 11.5, color: .faint) }
    let views: [(title: String, label: String, x: (Curve.Entry) -> Double)] = [
      ("Loss over training", "iteration", \.step), ("Loss over time", "seconds of training", \.seconds),
    ]
    for (index, view) in views.enumerated() {
      LineChart(
        title: view.title, xLabel: view.label, yLabel: "nats a \(results.corpus.unit)",
        series: arms.flatMap { series($0, Palette(results.study), x: view.x) } + [
          LineChart.Series(label: "training", color: .faint, points: [], dashes: [3, 3])
        ],
        yRange: lossRange(curves, optimum: optimum),
        reference: optimum.map { ("optimum", $0) }
      ).draw(in: Rectangle(x: 550 * Double(index), y: 0, width: 550, height: 460), on: canvas)
    }
    return try canvas.png()
  }

  /// An arm's lines: of several seeds each as a thin one, and their mean over the evaluations that all of them have.
  private static func series(
    _ seeds: [Curve], _ palette: Palette, x: (Curve.Entry) -> Double
  ) -> [LineChart.Series] {
    let color = palette.color(of: seeds[0].arm)
    let count = seeds.map(\.points.count).min() ?? 0
    func mean(_ value: (Curve.Entry) -> Double) -> [Point] {
      (0..<count).map { index in
        let entries = seeds.map { $0.points[index] }
        func mean(_ value: (Curve.Entry) -> Double) -> Double { entries.map(value).reduce(0, +) / Double(seeds.count) }
        return Point(x: mean(x), y: mean(value))
      }
    }
    let single = seeds.map { curve in
      LineChart.Series(
        color: color.withOpacity(0.4), points: curve.points.map { Point(x: x($0), y: $0.validation) }, width: 0.8)
    }
    return (seeds.count > 1 ? single : []) + [
      LineChart.Series(
        color: color.withOpacity(0.45), points: mean(\.training), width: 1.2, dashes: [3, 3]),
      LineChart.Series(label: palette.title(of: seeds[0].arm), color: color, points: mean(\.validation)),
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
