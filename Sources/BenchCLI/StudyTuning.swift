import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoOptim
import NanoTraining

/// How settings are searched for before a study's runs.
struct TuningOptions: ParsableArguments {
  @Option(
    """
    Settings to search for before the runs, for each arm with as many trials: some of lr, muon-lr, weight-decay, \
    separated by commas. Trials read the training split alone and use a seed that no run has. Arms of a named study that \
    stand for published settings keep theirs
    """, "list")
  var tune: String?

  @Option("Trials of each arm", "count", default: "8")
  var tuneTrials: Int?

  @Option("Length of a trial as a share of a run's, above 0 and at most 1", "share", default: "0.25")
  var tuneShare: Double?

  /// Names of the settings to search for.
  var names: [String] {
    tune?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } ?? []
  }

  var trials: Int { tuneTrials ?? 8 }
  var share: Double { tuneShare ?? 0.25 }

  func validate() throws {
    if tune != nil {
      for name in names where !StudyTuning.known.contains(name) {
        throw ValidationError(
          "--tune cannot search for '\(name)'; known: \(StudyTuning.known.joined(separator: ", "))")
      }
      guard !names.isEmpty, Set(names).count == names.count else {
        throw ValidationError("--tune must name one setting or more, each once")
      }
    }
    guard tune != nil || tuneTrials == nil && tuneShare == nil else {
      throw ValidationError("--tune-trials and --tune-share are for --tune; leave them out")
    }
    guard (1...1000).contains(trials) else {
      throw ValidationError("tune-trials is \(trials); it must be from 1 to 1000")
    }
    guard share > 0, share <= 1 else {
      throw ValidationError("tune-share is \(share); it must be above 0, and at most 1")
    }
  }
}

/// A search for the settings of a study's arms, which is itself a study: an arm a trial.
struct StudyTuning {
  static let known = ["lr", "muon-lr", "weight-decay"]

  let options: TuningOptions
  /// As its arms are before the search.
  let study: Study
  let folder: String

  /// The first seed from 7 that no run has.
  private var seed: UInt64 { (7...).first { !study.seeds.contains($0) }! }

  /// Settings that an arm has, of those that are searched for. Arms that stand as published beside tuned ones keep theirs.
  private func names(of arm: Arm) -> [String] {
    let isPublished = arm.tuning == nil && study.arms.contains { $0.tuning != nil }
    let keepsSettings = isPublished || arm.experiment.prunedStart != nil
    return keepsSettings ? [] : options.names.filter { arm.experiment.rate(of: $0) != nil }
  }

  /// Arms with settings to search for.
  var searchedArms: [Arm] { study.arms.filter { !names(of: $0).isEmpty } }

  /// The study with the best settings that were found.
  /// - Parameter make: makes the runs that a study lacks in a folder of its own.
  func tuned(_ make: (Study, _ folder: String) throws -> StudyResults) throws -> Study {
    var histories = [[CoordinateSearch.Trial]](repeating: [], count: study.arms.count)
    var trialArms: [Arm] = []
    for number in 0..<options.trials {
      var round: [(index: Int, values: [Double])] = []
      for (index, arm) in study.arms.enumerated() where !names(of: arm).isEmpty {
        let start = names(of: arm).map { arm.experiment.rate(of: $0)! }
        let values = CoordinateSearch(from: start, seed: seed).proposal(after: histories[index])
        round.append((index, values))
        trialArms.append(try trialArm(arm, number, values))
      }
      var trials = Study(name: "\(study.name)-tuning", arms: trialArms, seeds: [seed])
      trials.corpus.keepsValidationSplitUnseen = true
      let results = try make(trials, folder)
      for (index, values) in round {
        let name = Self.name(study.arms[index], number)
        let loss = results.models.first { $0.name == name }?.finalValidationLoss
        histories[index].append(.init(values: values, loss: loss))
      }
    }
    return try settled(histories)
  }

  private static func name(_ arm: Arm, _ number: Int) -> String { "\(arm.name.prefix(52))-trial\(number)" }

  private func trialArm(_ arm: Arm, _ number: Int, _ values: [Double]) throws -> Arm {
    var experiment = arm.experiment
    try set(values, of: arm, in: &experiment)
    experiment.iterations = max(1, Int(Double(experiment.iterations) * options.share))
    experiment.evaluation = .fullPass(windowsOnTheWay: 64)
    experiment.evaluationInterval = experiment.iterations
    experiment.checkpointInterval = nil
    experiment.keptCheckpoints = 1
    experiment.timedForwards = 0
    return Arm(name: Self.name(arm, number), title: "\(arm.title), trial \(number)", experiment: experiment)
  }

  private func set(_ values: [Double], of arm: Arm, in experiment: inout Experiment) throws {
    var experiments = [experiment]
    let flags = zip(names(of: arm), values).map { GivenFlag(name: $0, value: "\(Float($1))") }
    try Setting.apply(flags, to: &experiments, of: "the arm \(arm.name)")
    experiment = experiments[0]
  }

  private func settled(_ histories: [[CoordinateSearch.Trial]]) throws -> Study {
    var tuned = study
    var trials: [TuningTrial] = []
    for (index, history) in histories.enumerated() where !history.isEmpty {
      let arm = study.arms[index]
      for (number, trial) in history.enumerated() {
        trials.append(
          TuningTrial(
            arm: arm.name, number: number, seed: seed,
            settings: Dictionary(uniqueKeysWithValues: zip(names(of: arm), trial.values)), loss: trial.loss))
      }
      guard let best = CoordinateSearch.best(of: history) else {
        throw RunError("\(arm.title): training failed in every trial; begin from other settings")
      }
      try set(best.values, of: arm, in: &tuned.arms[index].experiment)
      let settings = zip(names(of: arm), best.values).map { "\($0) \($1)" }.joined(separator: ", ")
      tuned.arms[index].tuning =
        "\(settings): best of \(history.count) trials of \(Int(options.share * 100))% of a run's length, seed \(seed), on "
        + "the last tenth of the training split"
    }
    tuned.trials = trials
    return tuned
  }
}

extension Experiment {
  /// The value that a setting of ``StudyTuning/known`` changes; nil where nothing has it.
  fileprivate func rate(of name: String) -> Double? {
    let groups = optimizer.groups
    let value: Float? =
      switch name {
      case "lr": groups.first { !$0.rule.isOfMuonFamily }?.rule.learningRate
      case "muon-lr": groups.first { $0.rule.isOfMuonFamily }?.rule.learningRate
      default: groups.first?.rule.weightDecay
      }
    // As people write it, not as a binary fraction.
    return value.flatMap { Double("\($0)") }
  }
}
