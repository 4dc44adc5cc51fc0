import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoModels
import NanoTraining

/// `bench-cli run`: an experiment from its file.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Make the run of an experiment.json again.",
    discussion: "Each run's folder holds one; the same file gives the same bits on the same text.")

  @Argument(help: "The experiment, such as runs/<time>-compare/nanokimi/experiment.json.")
  var file: String

  @Option(help: "Where the text lies now; by default where it was.")
  var data: String?

  @OptionGroup(title: "Device") var deviceOption: DeviceOption
  @OptionGroup(title: "Output") var output: OutputOptions

  func run() throws {
    let folders = output.folders("run")
    try OutputFolder.check(folders)
    guard let content = FileManager.default.contents(atPath: file) else {
      throw RunError("\(file): no such file, or not readable")
    }
    var experiment: Experiment
    do {
      experiment = try JSONDecoder.readable.decode(Experiment.self, from: content)
    } catch let error as DecodingError {
      throw RunError("\(file): not an experiment: \(error.summary)")
    }
    if let data { experiment.corpus.path = absolutePath(data) }
    try experiment.validate()
    let runner = StudyRunner(output: output, device: deviceOption)
    let corpus = try runner.makeCorpus(experiment.corpus)
    experiment.corpus = experiment.corpus.bound(to: corpus.record)
    let study = Study(of: experiment, name: "model", title: "Model")
    try study.validate()
    let device = try runner.device(of: study)
    try runner.run(StudySession(beginning: study, corpus: corpus, folders: folders), on: device)
  }
}
