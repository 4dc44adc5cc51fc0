import Foundation
import NanoExperiments

/// `runs/latest`, a link to the newest run of `runs`, and what a run's folder holds.
enum LatestRun {
  static let path = "runs/latest"

  /// Makes the link point to a run that begins or goes on in `runs`; others have names of their own.
  static func point(to folder: String) {
    let run = URL(fileURLWithPath: folder).standardizedFileURL
    let link = URL(fileURLWithPath: path).standardizedFileURL
    guard run.deletingLastPathComponent() == link.deletingLastPathComponent(), run != link else { return }
    // In one step, so that no moment lacks it; where it cannot be, runs are found by their names.
    let fresh = link.path + ".\(getpid())"
    guard symlink(run.lastPathComponent, fresh) == 0 else { return }
    if rename(fresh, link.path) != 0 { unlink(fresh) }
  }

  /// A path whose `runs/latest` is the folder that it points to now: it may point elsewhere before a run is done.
  static func resolved(_ folder: String) -> String {
    guard folder == path || folder.hasPrefix(path + "/"),
      let name = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
    else { return folder }
    return "runs/" + name + folder.dropFirst(path.count)
  }

  /// A model folder that is meant by it, or by the folder of a run: of that the best model.
  /// - Parameter given: what a person named; nil for the newest run.
  static func model(_ given: String?) throws -> String {
    let folder = resolved(given ?? path)
    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(name)") }
    guard given != nil || exists("") else {
      throw RunError("\(path): no such run; make one with compare or train, or name a model folder with --model")
    }
    guard !exists("config.json") else { return folder }
    guard exists("run.json") else {
      throw RunError(
        "\(folder): \(exists("") ? "holds no model" : "no such folder"); a run makes a folder for each model, such as "
          + "runs/latest/nanokimi")
    }
    guard let data = FileManager.default.contents(atPath: folder + "/results.json"),
      let results = try? JSONDecoder.readable.decode(StudyResults.self, from: data),
      let best = results.models.filter({ $0.bestValidationLoss.isFinite })
        .min(by: { $0.bestValidationLoss < $1.bestValidationLoss })
    else {
      throw RunError("\(folder): no run in it has ended yet; name the folder of a model in it with --model")
    }
    let run = results.study.runs.first { $0.arm.name == best.name && $0.experiment.seed == best.seed }
    let model = "\(folder)/\(run?.name ?? best.name)"
    Terminal.writeError("Model: \(model)" + (results.models.count > 1 ? ", the best of its run" : ""))
    return model
  }
}
