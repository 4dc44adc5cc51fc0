internal import Foundation
internal import NanoData
internal import NanoOptim
internal import NanoTraining

/// Arms, each run with every seed, and what is compared with what.
public struct Study: Hashable, Sendable, Codable {
  /// Two arms that are compared.
  public struct Comparison: Hashable, Sendable, Codable {
    /// What both arms have as much of.
    public enum Axis: String, Hashable, Sendable, Codable {
      /// After as many tokens.
      case tokens
      /// After as many seconds of training.
      case trainingTime
    }

    /// For people.
    public var label: String
    /// The name of the first arm.
    public var arm: String
    /// The first of these that is part of the study.
    public var others: [String]
    /// Where on their curves the two are compared.
    public var axis: Axis

    /// A comparison of arms, which are named as in the study.
    public init(label: String, arm: String, others: [String], axis: Axis = .tokens) {
      self.label = label
      self.arm = arm
      self.others = others
      self.axis = axis
    }
  }

  /// The preset that it started from, or what it was made of.
  public var name: String
  /// At least one, each with a name of its own.
  public var arms: [Arm]
  /// One run of every arm is made with each: at least one seed, none of them twice.
  public var seeds: [UInt64]
  /// Where this is empty, every other arm is compared with the first.
  public var comparisons: [Comparison]
  /// δ: a difference in the loss that is smaller does not matter; nil where none is named.
  public var margin: Double?
  /// How the arms' settings were searched for, where they were.
  public var trials: [TuningTrial]?
  /// Iterations that were the runs' end before they were made longer, each time.
  public var madeLongerAt: [Int]?
  /// What began it, as a shell takes it; nil in studies of earlier versions.
  public var command: String?

  /// A study without a margin or trials; ``validate()`` says whether it can be carried out.
  public init(name: String, arms: [Arm], seeds: [UInt64], comparisons: [Comparison] = []) {
    self.name = name
    self.arms = arms
    self.seeds = seeds
    self.comparisons = comparisons
  }

  /// The study of one experiment.
  public init(of experiment: Experiment, name: String, title: String) {
    self.init(
      name: "experiment", arms: [Arm(name: name, title: title, experiment: experiment)], seeds: [experiment.seed])
  }

  /// One run of a study.
  public struct PlannedRun: Hashable, Sendable {
    /// As its folder has it.
    public var name: String
    /// The arm that it is of.
    public var arm: Arm
    /// The arm's experiment, with the seed of this run.
    public var experiment: Experiment
    /// For people: the arm's title, with the seed where the study has several.
    public var title: String
  }

  /// All runs, in the order in which they are made.
  public var runs: [PlannedRun] {
    seeds.flatMap { seed in
      arms.map { arm in
        var experiment = arm.experiment
        experiment.seed = seed
        let isOnly = seeds.count == 1
        return PlannedRun(
          name: isOnly ? arm.name : "\(arm.name)-seed\(seed)", arm: arm, experiment: experiment,
          title: isOnly ? arm.title : "\(arm.title), seed \(seed)")
      }
    }
  }

  /// What all arms read.
  public var corpus: CorpusRecipe {
    get { arms[0].experiment.corpus }
    set { for index in arms.indices { arms[index].experiment.corpus = newValue } }
  }

  /// The longest run.
  public var iterations: Int { arms.map(\.experiment.iterations).max() ?? 0 }

  /// Throws when arms or seeds are missing, when a name, a seed or an experiment is not valid, or when texts differ.
  public func validate() throws {
    let names = arms.map(\.name)
    guard !arms.isEmpty else { throw ExperimentError(setting: "models", "must name at least one model") }
    if let (name, _) = Dictionary(grouping: names, by: \.self).first(where: { $0.value.count > 1 }) {
      throw ExperimentError("two arms are called '\(name)'; each needs a name of its own")
    }
    for name in names where !Self.isName(name) {
      throw ExperimentError("'\(name)' cannot be the name of an arm: letters, digits, '-', '_' and '.' can, up to 64")
    }
    if let name = names.first(where: { name in Self.fileSuffixes.contains { name.lowercased().hasSuffix($0) } }) {
      throw ExperimentError("'\(name)' cannot be the name of an arm: its folder lies beside files of such names")
    }
    guard !seeds.isEmpty, Set(seeds).count == seeds.count else {
      throw ExperimentError(setting: "seeds", "must be at least one, each once")
    }
    for arm in arms {
      try arm.experiment.validate()
      guard arm.experiment.corpus == corpus else {
        throw ExperimentError("the arms of a study must read the same text")
      }
    }
    try validateStarts()
  }

  /// Of the files in a study's folder.
  private static let fileSuffixes = [".json", ".csv", ".txt", ".md", ".png", ".html"]

  private static func isName(_ name: String) -> Bool {
    (1...64).contains(name.count) && name.first != "."
      && name.unicodeScalars.allSatisfy {
        $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || "-_.".unicodeScalars.contains($0))
      }
  }
}

// MARK: Going on

extension Study {
  /// The file of a study in its folder.
  static let fileName = "run.json"

  /// Reads the study of a folder.
  public init(resuming folder: String) throws {
    let path = "\(folder)/\(Self.fileName)"
    guard let data = FileManager.default.contents(atPath: path) else {
      let parent = NSString(string: folder).deletingLastPathComponent
      throw ExperimentError(
        FileManager.default.fileExists(atPath: "\(parent)/\(Self.fileName)")
          ? "\(folder): the folder of one of its run's models; resume that of the run, \(parent)"
          : "\(path): no such file; only the folder of a run can be resumed")
    }
    if let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any], object["configuration"] != nil,
      object["arms"] == nil
    {
      throw ExperimentError(
        "\(path): begun by an earlier version, whose runs cannot be resumed", advice: .beginFromModel)
    }
    do {
      self = try JSONDecoder().decode(Study.self, from: data)
      try validate()
    } catch let error as DecodingError {
      throw ExperimentError("\(path): \(error.summary); the file is damaged, or of another version")
    }
  }

  func write(to folder: String) throws {
    try AtomicFile.write(JSONEncoder.readable.encode(self), to: "\(folder)/\(Self.fileName)")
  }

  /// Takes over settings that are now given for a study whose runs are in `folder`.
  /// - Returns: what a person should know about it, if the runs are made longer.
  /// - Throws: when a setting differs, or a run cannot be made longer.
  public mutating func goOn(with now: Study, in folder: String) throws -> String? {
    let differences = try Self.differences(self, now)
    guard differences.isEmpty else {
      throw ExperimentError(
        "\(folder): begun with other settings: \(differences.joined(separator: "; ")); leave these out to resume, or "
          + "begin a new run")
    }
    var notice: String?
    for (old, new) in zip(runs, now.runs) where new.experiment.iterations != old.experiment.iterations {
      notice = try Self.noticeOfLength(from: old, to: new.experiment, in: folder)
    }
    guard notice != nil else { return nil }
    madeLongerAt = (madeLongerAt ?? []) + [iterations]
    arms = now.arms
    return notice
  }

  /// Throws unless this study and another, which are searches that go on, have the same arms as far as both have any.
  public func requireSameSearch(as other: Study, in folder: String) throws {
    guard seeds == other.seeds, zip(arms, other.arms).allSatisfy(==) else {
      throw ExperimentError("\(folder): holds the trials of another search; choose another folder")
    }
  }

  private static func noticeOfLength(
    from old: PlannedRun, to new: Experiment, in folder: String
  ) throws -> String {
    let (end, newEnd) = (old.experiment.iterations, new.iterations)
    guard newEnd > end else {
      throw ExperimentError(
        "\(folder): begun with \(end) iterations; a run is made longer, not shorter: \(newEnd) are fewer")
    }
    let path = "\(folder)/\(old.name)"
    if FileManager.default.fileExists(atPath: "\(path)/\(Run.resultName)"),
      CheckpointFolder(path + "/checkpoints").steps.last != end
    {
      throw ExperimentError(
        "\(path): holds no checkpoint of its end at step \(end), so it cannot be made longer",
        advice: .begin(from: path))
    }
    let (before, after) = (old.experiment.schedule.schedule(steps: end), new.schedule.schedule(steps: newEnd))
    let isSame = stride(from: 0, to: end, by: max(1, end / 100_000)).allSatisfy {
      before.factor(at: $0) == after.factor(at: $0)
    }
    let start = "Made longer from \(end) to \(newEnd) iterations: "
    guard !isSame else {
      return start + "the learning rate is that of a run of \(newEnd) iterations from its start."
    }
    return start
      + String(
        format: "the schedule now spans them all. Its factor on the learning rates was %.3f in the last iteration, "
          + "goes on at %.3f and ends at %.3f; the iterations already made had the shorter schedule's, so this is not "
          + "a run of %d iterations from the start.", before.factor(at: end - 1), after.factor(at: end),
        after.factor(at: newEnd - 1), newEnd)
  }

  /// Names of the settings in which two studies differ but for their length, with both values.
  private static func differences(_ there: Study, _ now: Study) throws -> [String] {
    func flattened(_ study: Study) throws -> [String: String] {
      var (study, values) = (study, [String: String]())
      study.madeLongerAt = nil
      study.command = nil
      for index in study.arms.indices { study.arms[index].experiment.iterations = 0 }
      func add(_ value: Any, _ name: String) {
        if let object = value as? [String: Any] {
          for (key, value) in object { add(value, name.isEmpty ? key : name + "." + key) }
        } else if let list = value as? [Any] {
          for (index, value) in list.enumerated() { add(value, "\(name).\(index)") }
        } else {
          values[name] = "\(value)"
        }
      }
      add(try JSONSerialization.jsonObject(with: JSONEncoder().encode(study)), "")
      return values
    }
    let (others, mine) = (try flattened(there), try flattened(now))
    let names = Set(mine.keys).union(others.keys).filter { mine[$0] != others[$0] }.sorted()
    var differences: [String] = []
    for name in names {
      // What arms have in common is said once.
      let setting = name.replacing(#/^arms\.\d+\.(experiment\.)?/#, with: "")
        .replacing(#/groups\.\d+\.rule\.(\w+)\._0/#) { "\($0.1)" }
      let difference = "\(setting) (\(others[name] ?? "none") there, \(mine[name] ?? "none") now)"
      if !differences.contains(difference) { differences.append(difference) }
    }
    return differences
  }
}
