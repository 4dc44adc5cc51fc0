internal import NanoExperiments

extension ReportPage {
  /// Every figure of every arm and run.
  func figureSection() -> PageSection? {
    let count = results.evaluatedModels.count
    guard count > 0 else { return nil }
    let body: HTML = """
      \(results.analysis.map(armTable) ?? "")\
      \(details("every-run", count == 1 ? "The run" : "Every run (\(count))", isOpen: count <= 4, runTable()))
      """
    return PageSection(id: "figures", title: "Figures", body: body)
  }

  private func armTable(_ analysis: StudyAnalysis) -> HTML {
    let arms = analysis.arms.enumerated().filter { $0.element.mean != nil }
    guard !arms.isEmpty else { return "" }
    let isSparse = arms.contains { $0.element.activeParameters != $0.element.parameters }
    let rows = arms.map { index, arm -> (heading: HTML, cells: [HTML]) in
      func cell(_ key: String, _ value: Double?, digits: Int, scale: Double = 1) -> HTML {
        figureCell("analysis.arms.\(index).\(key)", value.flatMap { number($0 * scale, digits) }, scale: scale)
      }
      var cells = [cell("mean", arm.mean, digits: 4)]
      cells += intervalCells("analysis.arms.\(index).interval", arm.interval)
      cells.append(cell("parameters", arm.parameters.map(Double.init), digits: 0))
      if isSparse { cells.append(cell("activeParameters", arm.activeParameters.map(Double.init), digits: 0)) }
      cells += [
        cell("trainingTokens", arm.trainingTokens.map(Double.init), digits: 0),
        cell("trainingFLOPs", arm.trainingFLOPs, digits: 2, scale: 1e-12),
        cell("trainingSeconds", arm.trainingSeconds, digits: 1), cell("stepMs", arm.stepMs, digits: 2),
        cell("peakTensorBytes", arm.peakTensorBytes, digits: 1, scale: 1e-6),
        cell("stepsToTarget", arm.stepsToTarget, digits: 0),
        cell("secondsToTarget", arm.secondsToTarget, digits: 1),
      ]
      return (labels.label(arm.name), cells)
    }
    let headings =
      ["arm", "loss"] + (hasIntervals ? ["95% interval"] : []) + ["parameters"] + (isSparse ? ["active"] : [])
      + [
        "training tokens", "TFLOP", "training (s)", "ms a step", "tensors (MB)", "steps to target",
        "seconds to target",
      ]
    return """
      \(note((hasIntervals ? "Means over seeds. " : "") + "The target is what the first arm reaches at its end, on the text that evaluations on "
        + "the way read."))\
      \(PageTable(caption: "Figures of each arm", headings: headings.map { "\($0)" }, rows: rows).html)
      """
  }

  /// Figures by lines, where runs are few enough to stand side by side; else runs by lines.
  private func runTable() -> HTML {
    let figures = RunFigure.shown(for: results.evaluatedModels)
    let runs = results.models.enumerated().filter { results.evaluatedModels.contains($0.element) }.map {
      index, result in
      (title: labels.label(result.name, title: result.title), result: result, path: "models.\(index)")
    }
    func cells(_ run: (title: HTML, result: RunResult, path: String)) -> [HTML] {
      [figureCell("\(run.path).completedIterations", grouped(run.result.completedIterations))]
        + figures.map { figureCell("\(run.path).\($0.key)", $0.text(run.result), scale: $0.scale) }
    }
    let names = ["steps"] + figures.map(\.label)
    let columns = runs.map(cells)
    let table =
      runs.count <= 4
      ? PageTable(
        caption: "Figures of every run", headings: ["figure"] + runs.map(\.title),
        rows: names.indices.map { row in ("\(names[row])", columns.map { $0[row] }) })
      : PageTable(
        caption: "Figures of every run", headings: ["run"] + names.map { "\($0)" },
        rows: zip(runs, columns).map { ($0.title, $1) })
    return table.html
  }

  private func number(_ value: Double, _ digits: Int) -> String? {
    guard value.isFinite else { return nil }
    return digits == 0 && abs(value) < 1e15 ? grouped(Int(value.rounded())) : fixed(value, digits)
  }
}
