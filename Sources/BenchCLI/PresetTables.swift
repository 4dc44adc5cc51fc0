import Foundation
import NanoExperiments
import NanoTraining

/// Every setting of every preset, under the names of `experiment.json`, as one table in Markdown a preset.
struct PresetTables {
  /// A model's settings by name.
  private typealias Column = (title: String, values: [String: String])

  private let presets: [(preset: Preset, columns: [Column])]

  init() throws {
    presets = try Preset.allCases.map { preset in
      (preset, try preset.study().arms.map { ($0.title, try Self.settings(of: $0.experiment)) })
    }
  }

  var markdown: String {
    """
    # Presets

    What `bench-cli presets` prints: every setting of every preset, under the names of a run's `experiment.json`.
    Models of stories have 4,096 pieces and the size 3M here.

    """ + presets.map { section(of: $0, $1) }.joined()
  }

  /// Of a preset that has the models of the first, only where it differs.
  private func section(of preset: Preset, _ columns: [Column]) -> String {
    let (first, others) = (presets[0], Set(columns.flatMap(\.values.keys)))
    let isVariant = preset != first.preset && columns.map(\.title) == first.columns.map(\.title)
    let names = others.sorted().filter { name in
      !isVariant || zip(columns, first.columns).contains { $0.values[name] != $1.values[name] }
    }
    func row(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
    return "\n## `--preset \(preset.rawValue)`\n\n"
      + (isVariant ? "As `\(first.preset.rawValue)` but for:\n\n" : "")
      + row(["setting"] + columns.map(\.title)) + "|" + String(repeating: "---|", count: columns.count + 1) + "\n"
      + names.map { name in row(["`\(name)`"] + columns.map { $0.values[name] ?? "–" }) }.joined()
  }

  private static func settings(of experiment: Experiment) throws -> [String: String] {
    var values: [String: String] = [:]
    func add(_ value: Any, _ name: String) {
      switch value {
      case let object as [String: Any] where object.isEmpty:
        // A choice without values of its own.
        let words = name.split(separator: ".")
        values[words.dropLast().joined(separator: ".")] = words.last.map(String.init)
      case let object as [String: Any]:
        for (key, value) in object { add(value, name.isEmpty ? key : key == "_0" ? name : name + "." + key) }
      case let list as [Any] where name == "optimizer.groups":
        for (index, group) in list.enumerated() { values["\(name).\(index)"] = rule(group) }
      case let list as [Any]: values[name] = list.map(text).joined(separator: ", ")
      default: values[name] = text(value)
      }
    }
    add(try JSONSerialization.jsonObject(with: JSONEncoder.readable.encode(experiment)), "")
    return values
  }

  /// A rule, its numbers, and what it updates.
  private static func rule(_ group: Any) -> String {
    let group = group as? [String: Any] ?? [:]
    let kinds = (group["kinds"] as? [Any] ?? []).map(text).joined(separator: ", ")
    let rule = group["rule"] as? [String: [String: Any]] ?? [:]
    let settings = rule.values.first?["_0"] as? [String: Any] ?? [:]
    let words = settings.sorted { $0.key < $1.key }.map { key, value in
      "\(key) \((value as? [String: Any])?.keys.sorted().joined(separator: ", ") ?? text(value))"
    }
    return "\(rule.keys.first ?? "")(\(words.joined(separator: ", "))): \(kinds)"
  }

  /// A value as JSON has it, of numbers the digits that tell 32-bit numbers apart.
  private static func text(_ value: Any) -> String {
    guard let number = value as? NSNumber else { return "\(value)".replacing("\n", with: "⏎") }
    // How Foundation keeps a truth value.
    if String(cString: number.objCType) == "c" { return number.boolValue ? "true" : "false" }
    return number.doubleValue == number.doubleValue.rounded() && abs(number.doubleValue) < 1e15
      ? "\(number.int64Value)" : "\(number.floatValue)"
  }
}
