import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoTraining

/// A study as data: its arms, each with settings under their flags' names.
struct StudyPlan {
  var name: String
  /// What every arm starts from.
  var preset = Preset.publishedCharacters
  /// Of all arms; what an arm sets goes before it.
  var settings: [GivenFlag] = []
  var arms: [PlannedArm]
  var comparisons: [Study.Comparison] = []
  /// As `--seeds` has them.
  var seeds: String?
  var margin: Double?
  /// Whether some arms stand for settings that were published, which no flag may change.
  var hasPublishedArms = false
}

/// An arm of a plan.
struct PlannedArm {
  var text: ArmText
  var title: String?
  var levels: [Arm.Level] = []
  var tuning: String?
  /// What it begins with, where that is another arm's end.
  var start: PrunedStart?
}

extension StudyPlan {
  /// The study that the plan and the flags of a command line make.
  func study(flags: [GivenFlag], seeds: [UInt64], corpus: CorpusRecipe, vocabulary: Int? = nil) throws -> Study {
    for flag in flags where arms.allSatisfy({ $0.text.value(flag.name) != nil }) {
      throw ValidationError("--\(flag.name) has no effect here: every arm of the study sets it; leave it out")
    }
    let builder = try StudyBuilder(
      preset: preset.rawValue, models: nil, arms: arms.map(\.text),
      flags: settings + flags + [GivenFlag(name: "seeds", value: SeedList(seeds).text)])
    var study = try builder.newStudy(corpus: corpus, vocabulary: vocabulary)
    for comparison in comparisons {
      for name in [comparison.arm] + comparison.others where !arms.contains(where: { $0.text.name == name }) {
        throw RunError("the comparison '\(comparison.label)' names '\(name)', and there is no such arm")
      }
    }
    study.name = name
    study.comparisons = comparisons
    study.margin = margin
    for (index, arm) in arms.enumerated() {
      study.arms[index].title = arm.title ?? arm.text.name
      study.arms[index].levels = arm.levels.isEmpty ? nil : arm.levels
      study.arms[index].tuning = arm.tuning
      study.arms[index].experiment.prunedStart = arm.start
    }
    return study
  }
}

/// The file of `bench-cli study`.
extension StudyPlan {
  init(file path: String) throws {
    guard let data = FileHandle.contents(ofFile: path) else {
      throw RunError("\(path): no such file, or not readable")
    }
    if let key = data.repeatedKeyOfObject { throw RunError("\(path): '\(key)' is given twice; which is meant?") }
    do {
      self = try JSONDecoder().decode(File.self, from: data).plan(
        named: URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent)
    } catch let error as DecodingError {
      throw RunError("\(path): not a study: \(error.summary)")
    } catch let error as RunError {
      throw RunError("\(path): \(error)")
    }
  }

  private struct File: Decodable {
    struct Comparison: Decodable {
      var arm, against: String
      var label: String?
    }

    /// An arm's settings, and what else is said of it.
    struct ArmObject: Decodable {
      var name: String?
      var title: String?
      var factors: [String: String] = [:]
      var tuning: String?
      var settings: [GivenFlag] = []

      init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: AnyKey.self)
        for key in container.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
          switch key.stringValue {
          case "name": name = try container.decode(String.self, forKey: key)
          case "title": title = try container.decode(String.self, forKey: key)
          case "factors": factors = try container.decode([String: String].self, forKey: key)
          case "tuning": tuning = try container.decode(String.self, forKey: key)
          default:
            let value = try container.decode(SettingValue.self, forKey: key)
            settings.append(GivenFlag(name: key.stringValue, value: value.text))
          }
        }
      }
    }

    struct AnyKey: CodingKey {
      let stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    var name: String?
    var preset: String?
    var settings: [String: SettingValue]?
    var arms: [ArmObject]?
    var grid: [String: [SettingValue]]?
    var seeds: String?
    var comparisons: [Comparison]?
    var delta: Double?

    private enum CodingKeys: String, CodingKey, CaseIterable {
      case name, preset, settings, arms, grid, seeds, comparisons, delta
    }

    init(from decoder: any Decoder) throws {
      let known = CodingKeys.allCases.map(\.rawValue)
      for key in try decoder.container(keyedBy: AnyKey.self).allKeys where !known.contains(key.stringValue) {
        throw RunError("a study has no '\(key.stringValue)'; \(Spelling.advice(for: key.stringValue, known: known))")
      }
      let container = try decoder.container(keyedBy: CodingKeys.self)
      name = try container.decodeIfPresent(String.self, forKey: .name)
      preset = try container.decodeIfPresent(String.self, forKey: .preset)
      settings = try container.decodeIfPresent([String: SettingValue].self, forKey: .settings)
      arms = try container.decodeIfPresent([ArmObject].self, forKey: .arms)
      grid = try container.decodeIfPresent([String: [SettingValue]].self, forKey: .grid)
      let list = try? container.decodeIfPresent([UInt64].self, forKey: .seeds)
      seeds =
        try list.map { SeedList($0).text }
        ?? container.decodeIfPresent(SettingValue.self, forKey: .seeds)?.text
      comparisons = try container.decodeIfPresent([Comparison].self, forKey: .comparisons)
      delta = try container.decodeIfPresent(Double.self, forKey: .delta)
    }

    func plan(named fileName: String) throws -> StudyPlan {
      guard arms?.isEmpty != true else { throw RunError("'arms' is empty; leave it out, or name one arm or more") }
      guard arms != nil || grid != nil else { throw RunError("a study needs 'arms', a 'grid' of settings, or both") }
      var planned = (arms ?? []).map { arm in
        PlannedArm(
          text: ArmText(name: arm.name ?? "", settings: arm.settings), title: arm.title,
          levels: arm.factors.sorted { $0.key < $1.key }.map { Arm.Level($0.value, of: $0.key) }, tuning: arm.tuning)
      }
      if arms == nil { planned = [PlannedArm(text: ArmText(name: "", settings: []))] }
      // What arms are first told apart by is the model, then the optimizer.
      let first = ["model", "optimizer"]
      let settings = (grid ?? [:]).sorted {
        (first.firstIndex(of: $0.key) ?? 2, $0.key) < (first.firstIndex(of: $1.key) ?? 2, $1.key)
      }
      for (setting, values) in settings {
        guard !values.isEmpty else { throw RunError("the grid has no value of '\(setting)'") }
        planned = planned.flatMap { arm in values.map { arm.with(setting, $0.text) } }
      }
      guard planned.allSatisfy({ !$0.text.name.isEmpty }) else { throw RunError("an arm has no 'name'") }
      func title(of name: String) -> String { planned.first { $0.text.name == name }?.title ?? name }
      return StudyPlan(
        name: name ?? fileName, preset: try choose(preset, for: "preset") ?? .publishedCharacters,
        settings: (self.settings ?? [:]).sorted { $0.key < $1.key }.map {
          GivenFlag(name: $0.key, value: $0.value.text)
        },
        arms: planned,
        comparisons: (comparisons ?? []).map {
          Study.Comparison(
            label: $0.label ?? "\(title(of: $0.arm)) against \(title(of: $0.against))", arm: $0.arm,
            others: [$0.against])
        },
        seeds: seeds, margin: delta)
    }
  }
}

extension PlannedArm {
  /// The same with one more setting, which is a factor of the study.
  fileprivate func with(_ setting: String, _ value: String) -> PlannedArm {
    var arm = self
    let isWord = value.first?.isLetter ?? false
    // What a folder cannot be called, such as the + of 1e+30.
    let word = value.replacing(#/[^A-Za-z0-9._-]/#, with: "_")
    arm.text.name += (text.name.isEmpty ? "" : "-") + (isWord ? word : setting + word)
    arm.title = (title ?? (text.name.isEmpty ? nil : text.name)).map { "\($0), " } ?? ""
    arm.title! += isWord ? value : "\(setting) \(value)"
    arm.text.settings.append(GivenFlag(name: setting, value: value))
    arm.levels.append(Arm.Level(value, of: setting))
    return arm
  }
}
