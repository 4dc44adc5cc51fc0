internal import Foundation
internal import NanoData
public import NanoExperiments
internal import NanoTraining

/// What a study leaves in its folder: `report.html`, `results.json`, `metrics.csv`, pictures and samples. Each file
/// appears whole.
public enum StudyReport {
  /// Writes everything to a folder.
  /// - Parameter progress: how far the study is; nil when it has ended.
  public static func write(_ results: StudyResults, progress: StudyProgress? = nil, to folder: String) throws {
    let folders = runFolders(results, in: folder)
    try write(JSONEncoder.readable.encode(results), "results.json", to: folder)
    try write(Data(metrics(results).utf8), "metrics.csv", to: folder)
    let sources = zip(results.models, folders).map { (title: $0.title, folder: $1) }
    switch results.corpus.kind {
    case .characters: try write(Data(SampleDocument.text(of: sources).utf8), "samples.txt", to: folder)
    case .stories: try write(Data(SampleDocument.markdown(of: sources).utf8), "samples.md", to: folder)
    }
    let records = folders.map(Figures.readRecords)
    for (name, picture) in try Figures.draw(results, records) { try write(picture, name, to: folder) }
    let page = ReportPage(results, folder: folder, folders: folders, records: records, progress: progress)
    try write(Data(page.html.source.utf8), ReportPage.fileName, to: folder)
  }

  /// Writes `report.html` alone.
  /// - Parameter progress: how far the study is; then the page has no loads of experts, whose records would take the
  ///   time and the memory that are measured. Nil when it has ended.
  public static func writePage(_ results: StudyResults, progress: StudyProgress? = nil, to folder: String) throws {
    let folders = runFolders(results, in: folder)
    let records = progress == nil ? folders.map(Figures.readRecords) : []
    let page = ReportPage(results, folder: folder, folders: folders, records: records, progress: progress)
    try write(Data(page.html.source.utf8), ReportPage.fileName, to: folder)
  }

  private static func write(_ data: Data, _ name: String, to folder: String) throws {
    try AtomicFile.write(data, to: "\(folder)/\(name)")
  }

  /// Of the runs, in the order of the results.
  private static func runFolders(_ results: StudyResults, in folder: String) -> [String] {
    let runs = results.study.runs
    return results.models.map { result in
      let planned = runs.first { $0.arm.name == result.name && $0.experiment.seed == result.seed }
      return "\(folder)/\(planned?.name ?? result.name)"
    }
  }

  /// The losses of every evaluation.
  static func metrics(_ results: StudyResults) -> String {
    var lines = ["model,step,split,loss,seconds"]
    let isOnlySeed = results.study.seeds.count == 1
    for result in results.models {
      let name = isOnlySeed ? result.name : "\(result.name)-seed\(result.seed)"
      for point in result.curve {
        for (split, loss) in [("training", point.trainingLoss), ("validation", point.validation.nllPerToken)] {
          guard let loss else { continue }
          lines.append("\(name),\(point.step),\(split),\(String(format: "%.6f,%.3f", loss, point.seconds))")
        }
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
