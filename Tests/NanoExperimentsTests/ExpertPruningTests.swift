import Foundation
import NanoData
import NanoLayers
import NanoModels
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

@testable import NanoExperiments

/// Gates that the router's biases alone decide: one expert has every token, the others differ in mass.
@Test(arguments: [(ExpertPruning.Criterion.load, [0, 2, 3]), (.gateMass, [0, 3, 2])])
func expertsGoByWhatTheirGatesSay(criterion: ExpertPruning.Criterion, order: [Int]) throws {
  let run = try characterRun(TemporaryFolder(), "run")
  var model = try run.experiment.makeModel()
  var weights = Dictionary(uniqueKeysWithValues: model.weights.map { ($0.name, $0.tensor) })
  let name = "blocks.0.mixer.gate."
  weights[name + "weight"] = Tensor(zeros: try #require(weights[name + "weight"]).shape)
  weights[name + "bias"] = Tensor([0, 3, 2, 1], shape: [4])
  try model.loadWeights(weights)
  var pruning = try ExpertPruning(of: model, on: run.corpus.training, by: criterion, windows: 8)
  for _ in 0..<3 { try pruning.removeOneOfEach() }
  #expect(pruning.removals.map(\.expert) == order && pruning.expertCount == 1)
  #expect(try pruning.pruned().configuration.denseMoE?.expertCount == 1)
}

/// A whole model, what is left of it as it is, and trained on.
private func study(_ run: Run) -> Study {
  var experiment = run.experiment
  experiment.evaluation = .fullPass(windowsOnTheWay: 4)
  func arm(_ name: String, iterations: Int, experts: Int) -> Arm {
    var pruned = experiment
    (pruned.iterations, pruned.prunedStart) = (iterations, PrunedStart(of: "whole", by: .gateMass))
    pruned.model.denseMoE?.expertCount = experts
    return Arm(name: name, title: name, experiment: pruned)
  }
  return Study(
    name: "pruning",
    arms: [
      Arm(name: "whole", title: "whole", experiment: experiment), arm("as-it-is", iterations: 0, experts: 2),
      arm("recovered", iterations: 20, experts: 2),
    ], seeds: [3, 4])
}

@Test func runsBeginFromAnotherOnesEnd() throws {
  let folder = try TemporaryFolder()
  let run = try characterRun(folder, "none")
  let study = study(run)
  try study.validate()
  func made(_ name: String, stoppingAfter limit: Int) throws -> StudyResults {
    let path = folder.path + "/" + name
    var steps = 0
    while true {
      var session =
        try FileManager.default.fileExists(atPath: path + "/run.json")
        ? StudySession(resuming: study, corpus: run.corpus, folder: path, hold: OutputFolder.hold(path))
        : StudySession(beginning: study, corpus: run.corpus, folders: [path])
      let results = try session.run(
        observer: { _ in SilentObserver() },
        shouldStop: {
          steps += 1
          return steps % limit == 0
        }, report: { _ in })
      if !results.interrupted { return results }
    }
  }
  let (whole, parts) = (try made("whole", stoppingAfter: .max), try made("parts", stoppingAfter: 17))
  #expect(whole.models.count == 6 && whole.models.map(\.finalValidationLoss) == parts.models.map(\.finalValidationLoss))
  let analysis = try #require(whole.analysis)
  #expect(analysis.arms.map { $0.stepMs == nil } == [false, true, false], "no step, no time of a step")
  #expect(analysis.comparisons.map { $0.pairedAtEqualTime == nil } == [true, false])
  for seed in [3, 4] {
    let path = folder.path + "/whole/"
    let last = try #require(try ModelFolder.load("\(path)whole-seed\(seed)/last").model as? Decoder)
    var pruning = try ExpertPruning(of: last, on: run.corpus.training, by: .gateMass)
    try pruning.removeOneOfEach()
    try pruning.removeOneOfEach()
    let score = FullPassEvaluator(run.corpus.validation, windowLength: 16).evaluate(try pruning.pruned()).nllPerToken
    func result(_ name: String) throws -> RunResult {
      try #require(whole.models.first { $0.name == name && $0.seed == UInt64(seed) })
    }
    let (source, bare, recovered) = (try result("whole"), try result("as-it-is"), try result("recovered"))
    #expect(bare.finalValidationLoss == score && bare.completedIterations == 0 && bare.parameters < source.parameters)
    #expect(recovered.finalValidationLoss < bare.finalValidationLoss && recovered.completedIterations == 20)
    // Its experiment by itself makes it again.
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(path)recovered-seed\(seed)/experiment.json"))
    let experiment = try JSONDecoder.readable.decode(Experiment.self, from: data)
    try experiment.validate()
    #expect(experiment.prunedStart == nil && experiment.initialWeights != nil)
  }
}

@Test func startsThatCannotBeAreRefused() throws {
  let study = study(try characterRun(TemporaryFolder(), "none"))
  func refuses(_ part: String, _ change: (inout Study) -> Void) {
    var other = study
    change(&other)
    #expect { try other.validate() } throws: { "\($0)".contains(part) }
  }
  refuses("begins by itself") { $0.arms[1].experiment.prunedStart?.arm = "none" }
  refuses("begins by itself") { $0.arms[1].experiment.prunedStart?.arm = "recovered" }
  refuses("differs in more") { $0.arms[1].experiment.model.denseMoE?.expertCount = 5 }
  refuses("differs in more") { $0.arms[1].experiment.model.contextLength = 32 }
  refuses("iterations") { $0.arms[0].experiment.iterations = 0 }
  refuses("iterations") { $0.arms[1].experiment.evaluation = .publishedProtocol }
}
