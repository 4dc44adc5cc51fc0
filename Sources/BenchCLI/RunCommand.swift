import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoModels
import NanoTraining

/// `bench-cli run`: an experiment from its file.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Make the run of an experiment.json again, or the runs of a results.json.",
    discussion: CommandConfiguration.examples(
      "run runs/latest/nanokimi/experiment.json", "run runs/latest/results.json --out runs/again",
      note: "Each run's folder holds such files; the same file gives the same bits on the same text."))

  @Argument(
    help: ArgumentHelp(
      "An experiment such as runs/latest/nanokimi/experiment.json, or a study's run.json or results.json.",
      valueName: "file"))
  var file: String

  @Option("Where the text lies now", "path", default: "where it was")
  var data: String?

  @OptionGroup(title: "Device") var deviceOption: DeviceOption
  @OptionGroup(title: "Output") var output: OutputOptions

  func run() throws {
    let folders = output.folders("run")
    try OutputFolder.check(folders)
    guard let content = FileManager.default.contents(atPath: file) else {
      let named = ["experiment.json", "run.json"].map { "\(file)/\($0)" }.first(where: FileManager.default.fileExists)
      throw RunError(
        named.map { "\(file): is a folder; name the file in it, \($0)" }
          ?? "\(file): no such file, or not readable; a run's folder has an experiment.json, a study's a run.json")
    }
    var study = try study(of: content)
    if let data { study.corpus.path = absolutePath(data) }
    try study.validate()
    let runner = StudyRunner(output: output, device: deviceOption)
    let corpus = try runner.makeCorpus(study.corpus)
    study.corpus = study.corpus.bound(to: corpus.record)
    let device = try runner.device(of: study)
    try runner.run(StudySession(beginning: study, corpus: corpus, folders: folders), on: device)
  }

  /// Of whichever of the files it is.
  private func study(of content: Data) throws -> Study {
    struct Results: Decodable { let study: Study }
    let keys = (try? JSONSerialization.jsonObject(with: content) as? [String: Any])?.keys.map { $0 } ?? []
    let decoder = JSONDecoder.readable
    do {
      if keys.contains("study") { return try decoder.decode(Results.self, from: content).study.anew }
      if keys.contains("arms") { return try decoder.decode(Study.self, from: content).anew }
      let experiment = try decoder.decode(Experiment.self, from: content)
      let name = Preset.allCases.lazy.compactMap { $0.name(of: experiment.model) }.first
      return Study(of: experiment, name: "model", title: name?.displayName ?? "Model").anew
    } catch let error as DecodingError {
      throw RunError(
        "\(file): not an experiment: \(error.summary)"
          + (keys.contains("arms") ? "; a study of one's own is carried out by bench-cli study" : ""))
    }
  }
}

extension Study {
  /// The same study, whose runs are as long as they became from their start.
  fileprivate var anew: Study {
    var study = self
    study.madeLongerAt = nil
    study.command = Invocation.text
    return study
  }
}
