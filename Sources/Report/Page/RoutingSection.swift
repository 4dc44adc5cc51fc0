internal import Foundation
internal import NanoExperiments

extension ReportPage {
  /// Which rule updates which parameter, at what rate: an arm's first run.
  func routingSection() -> PageSection? {
    let parts = firstSeed.compactMap { result, folder -> HTML? in
      guard let routing = read(RoutingTable.self, "\(folder)/routing.json") else { return nil }
      let summary = routing.summary.map { "<li>\($0)</li>" as HTML }
      let table = PageTable(
        caption: "Routing of \(result.title)",
        headings: ["parameter", "shape", "rule", "rate", "scale", "decay", "what it is"],
        rows: routing.rows.map { row in
          let shape = row.shape.map(String.init).joined(separator: " × ")
          return (
            "\(row.parameter)",
            [
              "<td>\(shape)</td>", textCell(row.rule), "<td>\("\(row.learningRate)")</td>",
              "<td>\(String(format: "%.4g", row.scale))</td>", "<td>\("\(row.weightDecay)")</td>",
              textCell("\(row.why)"),
            ]
          )
        }, isText: true)
      return """
        <h3>\(labels.label(result.name))</h3>
        <ul>\(summary)</ul>
        \(details("routing-\(result.name)", "Every parameter (\(routing.rows.count))", table.html))
        """
    }
    guard !parts.isEmpty else { return nil }
    return PageSection(id: "routing", title: "Which rule updates what", body: "\(parts)")
  }
}
