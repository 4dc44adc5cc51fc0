internal import Foundation
internal import NanoExperiments

extension ReportPage {
  /// What models wrote, side by side: of the first seed, the last texts in view.
  func sampleSection() -> PageSection? {
    let runs = firstSeed.map { result, folder in
      (result: result, samples: read([Sample].self, "\(folder)/samples.json") ?? [])
    }
    let steps = Set(runs.flatMap { $0.samples.map(\.step) }).sorted(by: >)
    guard let last = steps.first else { return nil }
    let samples = runs.map { run in (label: labels.label(run.result.name, title: run.result.title), run.samples) }
    let earlier = steps.dropFirst().map { step in
      details("samples-\(step)", "After step \(grouped(step))", texts(of: samples, step))
    }
    let body: HTML = "<h3>After step \(grouped(last))</h3>\n\(texts(of: samples, last))\(earlier)"
    return PageSection(id: "samples", title: "Samples", body: body)
  }

  private func texts(of runs: [(label: HTML, samples: [Sample])], _ step: Int) -> HTML {
    var prompts: [String] = []
    for sample in runs.flatMap(\.samples) where sample.step == step && !prompts.contains(sample.prompt) {
      prompts.append(sample.prompt)
    }
    let rows = prompts.map { prompt -> HTML in
      let cells = runs.compactMap { run -> HTML? in
        guard let sample = run.samples.first(where: { $0.step == step && $0.prompt == prompt }) else { return nil }
        // A line break begins a text of characters, and is not to be seen.
        let start: HTML = prompt.contains { !$0.isWhitespace } ? "<mark>\(prompt)</mark>" : ""
        return "<div><div class='note'>\(run.label)</div><pre>\(start)\(sample.text)</pre></div>\n"
      }
      return "<div class='samples'>\(cells)</div>\n"
    }
    return "\(rows)"
  }

  /// The first seed's runs, with their folders.
  var firstSeed: [(result: RunResult, folder: String)] {
    zip(results.models, folders).filter { $0.0.seed == results.study.seeds.first }.map { (result: $0, folder: $1) }
  }

  /// What a file holds; nil where there is none that can be read.
  func read<Value: Decodable>(_ type: Value.Type, _ path: String) -> Value? {
    FileManager.default.contents(atPath: path).flatMap { try? JSONDecoder.readable.decode(type, from: $0) }
  }
}
