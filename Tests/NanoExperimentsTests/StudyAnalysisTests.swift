import Foundation
import NanoModels
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

@testable import NanoExperiments

/// SciPy's `permutation_test` of paired samples, all 32 flips, and `ttest_1samp`'s interval.
@Test func fewPairsHaveTheExactPOfSciPy() throws {
  let (first, second) = ([1.6759, 1.6820, 1.6739, 1.6801, 1.6790], [1.7369, 1.7270, 1.7147, 1.6795, 1.7291])
  let comparison = PairedComparison(first, second)
  #expect(comparison.exactPValue == 0.125 && comparison.leastExactPValue == 0.0625)
  #expect(abs(try #require(comparison.pValue) - 0.02027548920371404) < 1e-14)
  #expect(PairedComparison([1, 2, 3, 4, 5], [2, 4, 6, 8, 11]).exactPValue == 0.0625)
  let sample = SampleMean(first)
  #expect(abs(sample.mean - 1.67818) < 1e-14)
  #expect(abs(try #require(sample.standardDeviation) - 0.00325837382754036) < 1e-14)
  #expect(abs(try #require(sample.interval).lowerBound - 1.6741341945256538) < 1e-13)
  #expect(abs(try #require(sample.interval).upperBound - 1.6822258054743462) < 1e-13)
}

/// SciPy's `ttest_1samp` against -δ and δ, one-sided: p 0.0216 at 0.07; 5% is where |mean| + t·se is, 0.0617.
@Test func equalityIsTwoOneSidedTests() {
  let (first, second) = ([1.6759, 1.6820, 1.6739, 1.6801, 1.6790], [1.7369, 1.7270, 1.7147, 1.6795, 1.7291])
  func verdict(_ margin: Double) -> PairedComparison.Verdict { PairedComparison(first, second, margin: margin).verdict }
  #expect(verdict(0.07) == .equalWithinMargin && verdict(0.062) == .equalWithinMargin && verdict(0.0615) == .better)
}

/// An arm of a study on losses that are made up.
private func arm(_ name: String, _ levels: [(String, String)] = [], tuning: String? = nil) throws -> Arm {
  var experiment = try Preset.publishedCharacters.experiment(.nanoGPT)
  experiment.evaluation = .fullPass(windowsOnTheWay: 4)
  experiment.schedule = ScheduleRecipe(.linear)
  experiment.iterations = 100
  return Arm(
    name: name, title: name, experiment: experiment, levels: levels.map { .init($0.1, of: $0.0) }, tuning: tuning)
}

/// A run of a hundred steps in ten seconds, from a loss of 4 to `loss`.
private func result(_ name: String, seed: UInt64, loss: Double) throws -> RunResult {
  func point(_ step: Int, _ nll: Double) -> [String: Any] {
    let evaluation = ["tokens": 10, "nllPerToken": nll, "perplexity": 0, "bitsPerCharacter": 0, "bitsPerByte": 0]
    return ["step": step, "trainingSeconds": step / 10, "seconds": step / 10, "validation": evaluation]
  }
  let figures = [
    "perplexity", "parameterEfficiency", "bitsPerCharacter", "bitsPerByte", "trainStepMeanMs", "trainStepMedianMs",
    "trainStepWithEvaluationMeanMs", "updateShare", "peakTensorBytes", "residentGrowthBytesPerStep",
    "peakResidentBytes", "tokensPerSecond", "seconds", "microBatches",
  ]
  var object: [String: Any] = Dictionary(uniqueKeysWithValues: figures.map { ($0, 1) })
  object.merge([
    "name": name, "title": name, "seed": seed, "parameters": 1000, "activeParameters": 500,
    "bestValidationLoss": 0, "finalValidationLoss": loss, "finalTrainingLoss": 0, "trainingTokens": 51_200,
    "trainingSeconds": 10, "completedIterations": 100, "bestIteration": 100, "checkpointsActivations": false,
    "curve": [point(0, 4), point(100, loss)],
  ]) { $1 }
  return try JSONDecoder().decode(RunResult.self, from: JSONSerialization.data(withJSONObject: object))
}

/// Losses of a model effect of -0.05, an optimizer effect of -0.02, and -0.01 more where both come together.
@Test func effectsAreThoseThatTheLossesAreMadeOf() throws {
  let noise = [0.001, -0.002, 0.0015]
  var (arms, results) = ([Arm](), [RunResult]())
  for (model, modelEffect) in [("gpt", 0.0), ("kimi", -0.05)] {
    for (optimizer, optimizerEffect) in [("adamw", 0.0), ("muon", -0.02)] {
      let name = model + "-" + optimizer
      arms.append(try arm(name, [("model", model), ("optimizer", optimizer)]))
      for seed in 0..<3 {
        let both = model == "kimi" && optimizer == "muon" ? -0.01 + 0.1 * noise[seed] : 0
        let loss = 1.7 + modelEffect + optimizerEffect + both + noise[seed]
        results.append(try result(name, seed: UInt64(seed), loss: loss))
      }
    }
  }
  let study = Study(name: "test", arms: arms, seeds: [0, 1, 2])
  let analysis = StudyAnalysis(of: study, results, unit: "character")
  func effect(_ kind: FactorEffect.Kind, _ level: String, with other: String? = nil) throws -> Double {
    try #require(
      analysis.effects.first { $0.kind == kind && $0.level == level && $0.other?.level == other }?.paired
    ).mean
  }
  let mean = noise.reduce(0, +) / 3 * 0.1
  #expect(abs(try effect(.main, "kimi") - (-0.055 + mean / 2)) < 1e-12)
  #expect(abs(try effect(.main, "muon") - (-0.025 + mean / 2)) < 1e-12)
  #expect(abs(try effect(.simple, "kimi", with: "adamw") - -0.05) < 1e-12)
  #expect(abs(try effect(.simple, "muon", with: "kimi") - (-0.03 + mean)) < 1e-12)
  #expect(abs(try effect(.interaction, "kimi", with: "muon") - (-0.01 + mean)) < 1e-12)
  #expect(analysis.effects.count == 2 + 1 + 4)
  // Without comparisons of its own a study sets every arm against the first, and adjusts for all three.
  #expect(analysis.comparisons.map(\.arm) == ["gpt-muon", "kimi-adamw", "kimi-muon"])
  let last = try #require(analysis.comparisons.last)
  let (adjusted, p) = (try #require(last.adjustedPValue), try #require(last.paired?.pValue))
  #expect(last.verdict == .better && adjusted >= p)
  // An arm that is missing makes it a design no more.
  let rest = Study(name: "test", arms: Array(arms.dropLast()), seeds: [0, 1, 2])
  #expect(StudyAnalysis(of: rest, results, unit: "character").effects.isEmpty)
}

@Test func summariesTellCostAndArrival() throws {
  let study = Study(name: "test", arms: [try arm("a"), try arm("b", tuning: "by hand")], seeds: [1, 2, 3])
  let losses: [(String, UInt64, Double)] = [("a", 1, 2), ("a", 2, 2), ("b", 1, 1), ("b", 2, 1), ("b", 3, 1)]
  let analysis = StudyAnalysis(of: study, try losses.map { try result($0, seed: $1, loss: $2) }, unit: "character")
  let (a, b) = (analysis.arms[0], analysis.arms[1])
  #expect(a.seeds == [1, 2] && b.losses == [1, 1, 1] && b.mean == 1)
  // From 4 to 1 in 100 steps, 2 is reached after two thirds.
  #expect(abs(try #require(b.stepsToTarget) - 200.0 / 3) < 1e-9)
  #expect(abs(try #require(b.secondsToTarget) - 20.0 / 3) < 1e-9)
  #expect(b.trainingFLOPs == Double(6 * 500 + 12 * 4 * 64 * 32) * 51_200)
  // As fast as each other, so after as much time as after as many steps.
  #expect(analysis.comparisons[0].pairedAtEqualTime?.mean == -1)
  // What one side alone has counts for nothing, and is said; so is tuning on one side.
  #expect(analysis.comparisons[0].paired?.count == 2)
  #expect(
    analysis.warnings.contains { $0.contains("Not every run") } && analysis.warnings.contains { $0.contains("tuned") })
  let one = StudyAnalysis(
    of: Study(name: "test", arms: study.arms, seeds: [1]), try losses.map { try result($0, seed: $1, loss: $2) },
    unit: "character")
  #expect(one.comparisons[0].verdict == .unknown && one.warnings.contains { $0.contains("One seed") })
}

/// A rate that never decays leaves the last step's weights to chance.
@Test func whatIsComparedFollowsTheSchedule() throws {
  var run = try result("a", seed: 1, loss: 2)
  run.bestValidationLoss = 1.5
  var experiment = try arm("a").experiment
  #expect(run.score(of: experiment) == 2)
  experiment.schedule = ScheduleRecipe(.constant)
  #expect(run.score(of: experiment) == 1.5)
  experiment.schedule = ScheduleRecipe(.linear)
  experiment.evaluation = .publishedProtocol
  #expect(run.score(of: experiment) == 1.5)
}

/// Of five arms that are equal, any is called different from the first in at most one of twenty studies.
@Test(arguments: [2, 3, 5, 10])
func manyComparisonsAreSeldomWrong(count: Int) throws {
  var generator = RandomGenerator(seed: UInt64(100 + count))
  let studies = 4000
  let wrong = (0..<studies).count { _ in
    func values() -> [Double] { (0..<count).map { _ in Double(generator.nextNormal()) } }
    let first = values()
    let comparisons = (0..<4).map { _ in PairedComparison(values(), first) }
    return zip(comparisons, PairedComparison.adjusted(comparisons)).contains {
      [.better, .worse].contains($0.verdict(adjustedPValue: $1))
    }
  }
  // Four standard errors of the simulation beside the promise.
  #expect(Double(wrong) / Double(studies) < 0.05 + 0.014)
  #expect(wrong > 0)
}
