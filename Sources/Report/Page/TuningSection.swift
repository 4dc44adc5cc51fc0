internal import NanoExperiments

extension ReportPage {
  /// The loss over every setting that was searched for.
  func tuningSection() -> PageSection? {
    let names = Set(RateCurve.all(of: results.study).map(\.setting)).sorted()
    guard !names.isEmpty else { return nil }
    let trials = results.study.trials ?? []
    let failures = trials.count { $0.loss == nil }
    let figures = names.map { name -> HTML in
      """
      <figure id='rate-\(name)' data-setting='\(name)'><figcaption>Loss over \(name)</figcaption>
      <div class='plot' role='img' aria-label='Loss over \(name), a line an arm'></div></figure>

      """
    }
    let chosen = results.study.arms.compactMap { arm in
      arm.tuning.map { "<li>\(labels.label(arm.name)): \($0)</li>\n" as HTML }
    }
    let body: HTML = """
      \(note("\(trials.count) short runs, on a seed that no run above has, scored on the last tenth of the training "
        + "split. A point is the best trial with the value." + (failures > 0 ? " \(failures) failed." : "")))\
      <div class='grids'>\(figures)</div>
      <ul>\(chosen)</ul>
      """
    return PageSection(id: "tuning", title: "Tuning", body: body)
  }
}

/// The loss over a setting that was searched for, of one arm.
struct RateCurve: Encodable {
  /// An index of the study's arms.
  var arm: Int
  var setting: String
  /// By value, the lowest loss of any trial with it: `[value, loss]`.
  var trials: [[Double]]
  var chosen: Double

  /// Of every arm and setting that has two values or more.
  static func all(of study: Study) -> [RateCurve] {
    study.arms.enumerated().flatMap { index, arm -> [RateCurve] in
      let trials = (study.trials ?? []).filter { $0.arm == arm.name && $0.loss != nil }
      guard let best = trials.min(by: { $0.loss! < $1.loss! }) else { return [] }
      return best.settings.keys.sorted().compactMap { setting in
        let values = Dictionary(grouping: trials) { $0.settings[setting] ?? .nan }
          .mapValues { $0.map { $0.loss! }.min()! }.filter { $0.key.isFinite }
        guard values.count > 1 else { return nil }
        return RateCurve(
          arm: index, setting: setting, trials: values.sorted { $0.key < $1.key }.map { [$0.key, $0.value] },
          chosen: best.settings[setting]!)
      }
    }
  }
}
