internal import Foundation
internal import NanoExperiments
internal import NanoTraining

/// `report.html`: what a study came to, in one file that needs no network and no other file.
struct ReportPage {
  let results: StudyResults
  /// Of the study, as commands name it.
  let folder: String
  /// Of the runs, in the order of the results.
  let folders: [String]
  /// Nil when the study has ended.
  let progress: StudyProgress?
  let labels: ArmLabels
  let expertLoads: [ExpertLoadHistory]

  static let fileName = "report.html"
  private static let refreshSeconds = 15

  /// - Parameter records: of the runs.
  init(
    _ results: StudyResults, folder: String, folders: [String], records: [[StepRecord]], progress: StudyProgress?
  ) {
    self.results = results
    self.folder = folder
    self.folders = folders
    self.progress = progress
    labels = ArmLabels(results.study)
    expertLoads = zip(results.models, records).filter { $0.0.seed == results.study.seeds.first }
      .compactMap { ExpertLoadHistory($0, $1) }
  }

  var unit: String { "nats a \(results.corpus.unit)" }

  var html: HTML {
    get throws {
      let sections = try [
        lossSection(), curveSection(), tuningSection(), figureSection(), expertSection(), sampleSection(),
        routingSection(), settingSection(), commandSection(),
      ].compactMap { $0 }
      let links = sections.map { "<a href='#\($0.id)'>\($0.title)</a>\n" as HTML }
      let refreshSeconds = progress == nil ? nil : Self.refreshSeconds
      let data = ChartData(results, experts: expertLoads.map(\.loads), refreshSeconds: refreshSeconds)
      return """
        <!DOCTYPE html>
        <html lang='en'>
        <head>
        <meta charset='utf-8'>
        <meta name='viewport' content='width=device-width, initial-scale=1'>
        <meta http-equiv='Content-Security-Policy' content="default-src 'none'; style-src 'unsafe-inline'; \
        script-src 'unsafe-inline'">
        \(refresh)<title>\(results.title)</title>
        <style>
        \(HTML(verbatim: PageStyle.text))</style>
        </head>
        <body>
        <header>
        <h1>\(results.title)</h1>
        \(note(results.subtitle))\
        \(status)\(verdict)\
        <nav aria-label='Sections'>\(links)</nav>
        </header>
        <main>
        \(sections.map(\.html))</main>
        <footer>\(files)</footer>
        <script type='application/json' id='data'>\(try data.json)</script>
        <script>
        \(HTML(verbatim: PageScript.text))</script>
        </body>
        </html>

        """
    }
  }

  /// For a browser without scripts.
  private var refresh: HTML {
    progress == nil
      ? "" : "<noscript><meta http-equiv='refresh' content='\(Self.refreshSeconds)'></noscript>\n"
  }

  private var files: HTML {
    note("Beside this page: results.json has every figure, metrics.csv the loss of every evaluation.")
  }
}
