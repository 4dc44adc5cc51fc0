import Foundation
import NanoData
import NanoModels
import NanoOptim
import NanoTraining

/// What a run compares.
enum Study: String, Codable {
  case characters, stories
}

/// What defines a run and is kept in its folder, so that it can be resumed.
struct RunPlan<Configuration: ComparisonConfiguration>: Codable {
  var study: Study
  var configuration: Configuration
  var data: DataRecord
  /// Of a model that was trained on another text before; by default the text's own.
  var vocabulary: CharacterTokenizer?
  /// What the one model was begun from, where that was not fresh weights.
  var initial: InitialModel.Record?
  /// Iterations that were the run's end before it was made longer.
  var madeLongerAt: [Int]?

  func write(to folder: String) throws {
    try AtomicFile.write(JSONEncoder.readable.encode(self), to: folder + "/" + RunPlanFile.name)
  }

  /// The plan of a run that goes on with settings that are now given.
  /// - Returns: what a person should know about it, if it is made longer.
  /// - Throws: when a setting differs, or the run cannot be made longer.
  mutating func goOn(with now: Configuration, in folder: String) throws -> String? {
    var (old, new) = (configuration, now)
    (old.iterations, new.iterations) = (0, 0)
    let differences = try RunPlanFile.differences(old, new)
    guard differences.isEmpty else {
      throw RunError(
        "\(folder): begun with other settings: \(differences.joined(separator: "; ")); leave these flags out "
          + "to resume, or begin a new run")
    }
    let end = configuration.iterations
    guard now.iterations >= end else {
      throw RunError(
        "\(folder): begun with \(end) iterations; a run is made longer, not shorter: \(now.iterations) are fewer")
    }
    guard now.iterations > end else { return nil }
    for model in now.modelNames where RunPlanFile.isFinished(model, in: folder) {
      guard CheckpointFolder("\(folder)/\(model)/checkpoints").steps.last == end else {
        throw RunError(
          "\(folder)/\(model): holds no checkpoint of its end at step \(end), so it cannot be made longer; begin a new "
            + "run from its best weights with --init \(folder)/\(model)")
      }
    }
    let notice = Self.noticeOfLength(from: configuration, to: now)
    configuration = now
    madeLongerAt = (madeLongerAt ?? []) + [end]
    return notice
  }

  /// What a model begins with, where the run has that and no checkpoint of its own yet.
  func firstWeights(
    of model: String, in folder: String, given: InitialModel?
  ) throws -> InitialModel? {
    guard let initial, CheckpointFolder("\(folder)/\(model)/checkpoints").steps.isEmpty else { return nil }
    return try given ?? InitialModel(initial)
  }

  private static func noticeOfLength(from old: Configuration, to new: Configuration) -> String {
    let (before, after) = (old.learningRateSchedule, new.learningRateSchedule)
    let (end, newEnd) = (old.iterations, new.iterations)
    let step = max(1, end / 100_000)
    let isSame = stride(from: 0, to: end, by: step).allSatisfy {
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
}

/// The file of a ``RunPlan``.
enum RunPlanFile {
  static let name = "run.json"

  /// Which study a folder's run is of.
  static func study(of folder: String) throws -> Study {
    struct Header: Decodable { var study: Study }
    return try read(Header.self, folder).study
  }

  static func read<Content: Decodable>(_ type: Content.Type, _ folder: String) throws -> Content {
    let path = "\(folder)/\(name)"
    guard let data = FileManager.default.contents(atPath: path) else {
      throw RunError("\(path): no such file; --resume needs the folder of a run")
    }
    do {
      return try JSONDecoder().decode(type, from: data)
    } catch let error as DecodingError {
      throw RunError("\(path): \(error.summary); the file is damaged, or of another version")
    }
  }

  /// Whether a model has reached an end in the run of a folder.
  static func isFinished(_ model: String, in folder: String) -> Bool {
    FileManager.default.fileExists(atPath: "\(folder)/\(model)/\(resultName)")
  }

  static let resultName = "result.json"

  /// What a model has reached, if that was the run's end.
  /// - Throws: when the file is damaged.
  static func result<Result: Decodable>(
    of model: String, in folder: String, _ type: Result.Type
  ) throws -> Result? {
    let path = "\(folder)/\(model)/\(resultName)"
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    do {
      return try decoder.decode(type, from: data)
    } catch {
      throw RunError("\(path): the file is damaged; delete it to go on from the model's last checkpoint")
    }
  }

  /// Names of the settings in which two configurations differ, with both values.
  static func differences<Configuration: Encodable>(
    _ there: Configuration, _ now: Configuration
  ) throws -> [String] {
    func flattened(_ configuration: Configuration) throws -> [String: String] {
      var values: [String: String] = [:]
      func add(_ value: Any, _ name: String) {
        if let object = value as? [String: Any] {
          for (key, value) in object { add(value, name.isEmpty ? key : name + "." + key) }
        } else {
          values[name] = "\(value)"
        }
      }
      add(try JSONSerialization.jsonObject(with: JSONEncoder().encode(configuration)), "")
      return values
    }
    let (others, mine) = (try flattened(there), try flattened(now))
    return Set(mine.keys).union(others.keys).filter { mine[$0] != others[$0] }.sorted().map {
      "\($0) (\(others[$0] ?? "none") there, \(mine[$0] ?? "none") now)"
    }
  }
}

/// A run that cannot be started or continued.
struct RunError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }

  /// What `body` returns; its error names the text that it was about.
  static func naming<Result>(_ source: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch {
      throw RunError("\(source): \(error)")
    }
  }
}
