internal import NanoExperiments

extension ReportPage {
  /// Every arm's loss, and what is shown of the differences.
  func lossSection() -> PageSection? {
    guard let analysis = results.analysis else { return nil }
    let arms = analysis.arms.enumerated().compactMap { index, arm in armRow(index, arm) }
    // One run alone has nothing beside it.
    guard !arms.isEmpty, results.study.runs.count > 1 else { return nil }
    let body: HTML = """
      \(note(
        "\(analysis.measure.prefix(1).uppercased() + analysis.measure.dropFirst()); lower is better. "
          + (hasIntervals
            ? "The large dot is the mean over seeds, the bar its 95% interval (Student’s t), circles are the seeds."
            : "One seed each: nothing is known of certainty, so there are no intervals.")))\
      \(DotPlot(caption: "Loss of each arm", headings: ["arm", unit, "mean"] + intervalHeading, rows: arms).html)\
      \(differences(of: analysis))
      """
    return PageSection(id: "losses", title: "Losses", body: body)
  }

  /// One seed has no intervals, and no columns for them.
  var hasIntervals: Bool { results.study.seeds.count > 1 }
  private var intervalHeading: [String] { hasIntervals ? ["95% interval"] : [] }

  private func armRow(_ index: Int, _ arm: ArmSummary) -> DotPlot.Row? {
    guard let mean = arm.mean, mean.isFinite else { return nil }
    let path = "analysis.arms.\(index)"
    return DotPlot.Row(
      label: labels.label(arm.name), colorClass: labels.colorClass(of: arm.name),
      values: arm.losses.count > 1 ? arm.losses : [], mean: mean, interval: arm.interval,
      cells: [figureCell("\(path).mean", fixed(mean, 4))] + intervalCells("\(path).interval", arm.interval))
  }

  private func differences(of analysis: StudyAnalysis) -> HTML {
    let comparisons = analysis.comparisons.enumerated().compactMap { index, comparison in
      differenceRow(
        "analysis.comparisons.\(index)", label(of: comparison), comparison.paired, comparison.verdict,
        colorClass: labels.colorClass(of: comparison.arm))
    }
    let effects = analysis.effects.enumerated().compactMap { index, effect in
      differenceRow("analysis.effects.\(index)", "\(effect.label)", effect.paired, effect.verdict)
        .map { (kind: effect.kind, row: $0) }
    }
    func plot(_ title: String, _ rows: [DotPlot.Row]) -> HTML {
      DotPlot(
        caption: title, headings: ["", "difference, \(unit)", "mean"] + intervalHeading + ["what is shown"], rows: rows,
        showsZero: true
      ).html
    }
    func rows(_ kind: FactorEffect.Kind) -> [DotPlot.Row] { effects.filter { $0.kind == kind }.map(\.row) }
    var parts: [HTML] = []
    if !comparisons.isEmpty {
      parts += [
        "<h3>Differences</h3>\n",
        note("Paired by seed; left of the dashed line the first is better. A hollow dot: no difference is shown."),
        plot("Differences between arms", comparisons),
      ]
    }
    if !rows(.main).isEmpty {
      parts += [
        "<h3>What each change does</h3>\n", note("Averaged over all levels of the other factors."),
        plot("Main effects", rows(.main)),
      ]
    }
    if !rows(.interaction).isEmpty {
      parts += [
        "<h3>What two changes do together</h3>\n", note("Beyond the sum of what each does by itself."),
        plot("Interactions", rows(.interaction)),
      ]
    }
    if !rows(.simple).isEmpty {
      parts.append(
        details(
          "simple-effects", "What each change does at one level of another factor (\(rows(.simple).count))",
          plot("Effects at one level of another factor", rows(.simple))))
    }
    return "\(parts)"
  }

  /// A comparison's name, and between which arms it is where the name does not say that.
  private func label(of comparison: ArmComparison) -> HTML {
    let titles = [comparison.arm, comparison.other].map { Palette(results.study).title(of: $0) }
    guard titles.contains(where: { !comparison.label.contains($0) }) else { return "\(comparison.label)" }
    return "\(comparison.label)<br><span class='note'>\(titles[0]) against \(titles[1])</span>"
  }

  private func differenceRow(
    _ path: String, _ label: HTML, _ paired: PairedComparison?, _ verdict: PairedComparison.Verdict?,
    colorClass: String = ""
  ) -> DotPlot.Row? {
    guard let paired, paired.mean.isFinite else { return nil }
    return DotPlot.Row(
      label: label, colorClass: colorClass, mean: paired.mean, interval: paired.interval,
      isFilled: verdict == .better || verdict == .worse,
      cells: [
        figureCell("\(path).paired.mean", (paired.mean > 0 ? "+" : "") + fixed(paired.mean, 4))
      ] + intervalCells("\(path).paired.interval", paired.interval)
        + ["<td class='text words'>\(verdict?.rawValue ?? "")</td>"])
  }

  /// Both ends of an interval, in a study that has some.
  func intervalCells(_ path: String, _ interval: ClosedRange<Double>?) -> [HTML] {
    guard hasIntervals else { return [] }
    guard let interval else { return ["<td class='words'>–</td>"] }
    return [
      """
      <td class='words'><span data-path='\(path).0'>\(fixed(interval.lowerBound, 4))</span> to \
      <span data-path='\(path).1'>\(fixed(interval.upperBound, 4))</span></td>
      """
    ]
  }
}
