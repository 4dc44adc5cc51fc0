internal import Foundation
internal import NanoData
public import NanoExperiments
internal import NanoTraining

/// What a study leaves in its folder: `results.json`, `metrics.csv`, pictures and samples. Each file appears whole.
public enum StudyReport {
  /// Writes table, pictures and figures to a folder.
  public static func write(_ results: StudyResults, to folder: String) throws {
    func write(_ data: Data, _ name: String) throws { try AtomicFile.write(data, to: "\(folder)/\(name)") }
    let runs = results.study.runs
    let folders = results.models.map { result in
      let planned = runs.first { $0.arm.name == result.name && $0.experiment.seed == result.seed }
      return "\(folder)/\(planned?.name ?? result.name)"
    }
    try write(JSONEncoder.readable.encode(results), "results.json")
    try write(Data(metrics(results).utf8), "metrics.csv")
    let sources = zip(results.models, folders).map { (title: $0.title, folder: $1) }
    switch results.corpus.kind {
    case .characters: try write(Data(SampleDocument.text(of: sources).utf8), "samples.txt")
    case .stories: try write(Data(SampleDocument.markdown(of: sources).utf8), "samples.md")
    }
    for (name, picture) in try Figures.draw(results, folders: folders) { try write(picture, name) }
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
