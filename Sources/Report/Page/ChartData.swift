internal import Foundation
internal import NanoExperiments
internal import NanoTraining

/// What the page's script draws, as the JSON that the page carries.
struct ChartData: Encodable {
  struct ArmMark: Encodable {
    var title: String
    /// An index of the page's colours and of the script's shapes.
    var color, shape: Int
  }

  /// A run's curve, an entry an evaluation.
  struct Curve: Encodable {
    /// An index of ``arms``.
    var arm: Int
    /// Whether the run reached its end.
    var isWhole: Bool
    var step: [Int] = []
    /// Of training alone.
    var seconds: [Double] = []
    var training: [Double?] = []
    var validation: [Double] = []
  }

  var arms: [ArmMark]
  var runs: [Curve]
  /// By run, mixture, moment and expert.
  var experts: [[[[Double]]]]
  var searches: [RateCurve]
  var optimum: Double?
  /// After so many seconds the page is read again.
  var refreshSeconds: Int?

  /// Points of a curve at most: more than a screen shows.
  private static let pointCount = 400

  init(_ results: StudyResults, experts: [[[[Double]]]], refreshSeconds: Int?) {
    let (palette, arms) = (Palette(results.study), results.study.arms)
    // Arms that share a colour have different shapes.
    self.arms = arms.enumerated().map { index, arm in
      ArmMark(title: arm.title, color: palette.index(of: arm.name), shape: (index + index / 8) % 8)
    }
    runs = results.models.compactMap { result in
      guard let arm = arms.firstIndex(where: { $0.name == result.name }) else { return nil }
      var curve = Curve(arm: arm, isWhole: result.completedIterations >= arms[arm].experiment.iterations)
      let step = max(1, result.curve.count / Self.pointCount)
      for (index, point) in result.curve.enumerated() where index % step == 0 || index == result.curve.count - 1 {
        curve.step.append(point.step)
        curve.seconds.append(point.trainingSeconds)
        curve.training.append(point.trainingLoss)
        curve.validation.append(point.comparableNLL)
      }
      return curve
    }
    self.experts = experts
    searches = RateCurve.all(of: results.study)
    optimum = results.corpus.optimumNLL
    self.refreshSeconds = refreshSeconds
  }

  /// As a script element holds it: no `<` can end it.
  var json: HTML {
    get throws {
      let text = String(decoding: try JSONEncoder().encode(self), as: UTF8.self)
      return HTML(verbatim: text.replacing("<", with: "\\u003c"))
    }
  }
}
