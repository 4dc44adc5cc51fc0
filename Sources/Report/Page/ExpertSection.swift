internal import NanoExperiments
internal import NanoTraining

extension ReportPage {
  /// The loads of experts over training, of the first seed's runs.
  func expertSection() -> PageSection? {
    let loads = expertLoads
    guard !loads.isEmpty else { return nil }
    let parts = loads.enumerated().map { index, run -> HTML in
      let maps = run.last.mixtures.enumerated().map { mixture, record -> HTML in
        let caption =
          "Mixture \(mixture + 1): at the end the largest load is \(fixed(record.maximalViolation + 1, 2)) times the "
          + "mean, \(record.deadExperts == 0 ? "no" : "\(record.deadExperts)") experts dead"
        return """
          <figure><figcaption>\(caption)</figcaption>\
          <canvas data-run='\(index)' data-mixture='\(mixture)' role='img' aria-label='\(caption)'></canvas></figure>

          """
      }
      return "<h3>\(labels.label(run.result.name, title: run.result.title))</h3><div class='grids'>\(maps)</div>"
    }
    let body: HTML = """
      \(note("A row is an expert, time runs to the right. Empty: no token; full: twice the mean load or more."))\
      \(parts)
      """
    return PageSection(id: "experts", title: "Expert loads", body: body)
  }

  /// Of one run: moments over training, and of each mixture a column of loads a moment.
  struct ExpertLoadHistory {
    let result: RunResult
    let last: StepRecord
    /// By mixture, moment and expert.
    let loads: [[[Double]]]

    /// Nil for a run without mixtures.
    init?(_ result: RunResult, _ records: [StepRecord]) {
      let records = records.filter { !$0.mixtures.isEmpty }
      guard let last = records.last else { return nil }
      self.result = result
      self.last = last
      // Neighbouring steps together, so that a column is wide enough to see and less noisy.
      let columns = min(120, records.count)
      loads = last.mixtures.indices.map { mixture in
        (0..<columns).map { column in
          let part = records[column * records.count / columns..<(column + 1) * records.count / columns]
            .map { $0.mixtures[mixture].loads }
          return part[0].indices.map { expert in
            let mean = part.reduce(0) { $0 + $1[expert] } / Double(part.count)
            return (mean * 1e4).rounded() / 1e4
          }
        }
      }
    }
  }
}
