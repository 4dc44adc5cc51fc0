internal import NanoExperiments

extension ReportPage {
  /// The commands that make every run again.
  func commandSection() -> PageSection {
    let paths = results.study.runs.map { "\(folder)/\($0.name)" }
    let commands = paths.map { "bench-cli run \("\($0)/experiment.json".shellWord)" }.joined(separator: "\n")
    let list: HTML = "<pre>\(commands)</pre>"
    let whole: HTML =
      results.study.command.map { "<p>All of it, from the folder where it was begun:</p><pre>\($0)</pre>" } ?? ""
    let body: HTML = """
      \(whole)\(note("Each run is described by its experiment.json; the same file gives the same bits on the same text and kind "
        + "of processor, on any number of threads."))\
      \(paths.count <= 4 ? list : details("commands", "All \(paths.count) runs", list))
      """
    return PageSection(id: "again", title: "Make it again", body: body)
  }
}
