import ArgumentParser
import Foundation
import NanoData
import NanoTraining

/// A `--config` file: a JSON object of settings named like the flags, which stand in the command line for it.
///
/// The file's settings are put before the flags of the command line. A flag that is given twice has its last
/// value, so those on the command line win, and every flag there is can stand in the file.
struct SettingsFile {
  private let path: String
  private let settings: [String: SettingValue]

  init(_ path: String) throws {
    guard let data = FileHandle.contents(ofFile: path) else {
      throw RunError("\(path): no such file, or not readable")
    }
    try self.init(json: data, of: path)
  }

  /// - Parameter path: what errors name.
  init(json data: Data, of path: String) throws {
    guard (try? JSONSerialization.jsonObject(with: data)) is [String: Any] else {
      throw RunError("\(path): not a JSON object")
    }
    do {
      settings = try JSONDecoder().decode([String: SettingValue].self, from: data)
    } catch let error as DecodingError {
      throw RunError("\(path): \(error.summary)")
    }
    if let key = data.repeatedKeyOfObject { throw RunError("\(path): '\(key)' is given twice; which is meant?") }
    guard settings["config"] == nil else {
      throw RunError("\(path): 'config' cannot stand in a settings file; put all settings into one")
    }
    for (name, setting) in settings {
      if case .list = setting, !["models", "arm", "seeds"].contains(name) {
        throw RunError("\(path): '\(name)' is a list; it must be one value")
      }
    }
    self.path = path
  }

  /// The settings one by one.
  var flags: [GivenFlag] {
    settings.sorted { $0.key < $1.key }.map { GivenFlag(name: $0.key, value: $0.value.text) }
  }

  /// The settings as a command line has them, in the order of their names.
  private var arguments: [String] {
    settings.sorted { $0.key < $1.key }.flatMap { name, setting in
      switch setting {
      case .text(let text): ["--\(name)", text]
      case .flag(let isSet): isSet ? ["--\(name)"] : []
      case .list(let items) where name == "arm": items.flatMap { ["--arm", $0] }
      // A comma at the end tells a list of one from a count.
      case .list(let items): ["--\(name)", items.joined(separator: ",") + (name == "seeds" ? "," : "")]
      }
    }
  }

  /// What the file sets to false: as a command line without them has them.
  private var unsetFlags: [String] {
    settings.compactMap { name, setting in
      if case .flag(false) = setting { name } else { nil }
    }.sorted()
  }

  /// A command line with what `--config` names put in its place.
  /// - Throws: for a file that is not there, is no JSON object, or holds a setting that the command lacks or
  ///   refuses.
  static func expand(_ arguments: [String]) throws -> [String] {
    guard let (path, others) = try takeConfig(from: arguments) else { return arguments }
    let command = others.prefix { !$0.hasPrefix("-") }
    // Others refuse the flag as they do every unknown one.
    guard [[], ["compare"], ["train"], ["bench"], ["bench", "step"]].contains(Array(command)) else { return arguments }
    let file = try SettingsFile(path)
    do {
      _ = try BenchCLI.parseAsRoot(command + file.arguments)
    } catch {
      throw ValidationError("\(path): \(BenchCLI.message(for: error))")
    }
    for name in file.unsetFlags where (try? BenchCLI.parseAsRoot(command + ["--\(name)"])) == nil {
      throw ValidationError("\(path): '\(name)' is false, which only a flag can be; give it a value, or leave it out")
    }
    return command + file.arguments + others.dropFirst(command.count)
  }

  /// The last `--config FILE` or `--config=FILE`, and the arguments without any.
  private static func takeConfig(
    from arguments: [String]
  ) throws -> (path: String, others: [String])? {
    var (path, others, iterator) = (nil as String?, [String](), arguments.makeIterator())
    while let argument = iterator.next() {
      if argument == "--config" {
        guard let file = iterator.next() else {
          throw ValidationError("Missing value for '--config <file>'")
        }
        path = file
      } else if argument.hasPrefix("--config=") {
        path = String(argument.dropFirst("--config=".count))
      } else {
        others.append(argument)
      }
    }
    return path.map { ($0, others) }
  }
}

/// A setting's value in a ``SettingsFile``.
enum SettingValue: Decodable {
  case text(String)
  case flag(Bool)
  case list([String])

  /// As an arm has it.
  var text: String {
    switch self {
    case .text(let text): text
    case .flag(let isSet): "\(isSet)"
    case .list(let items): items.joined(separator: ",")
    }
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let isSet = try? container.decode(Bool.self) {
      self = .flag(isSet)
    } else if let text = Self.text(in: container) {
      self = .text(text)
    } else {
      self = .list(try container.decode([Item].self).map(\.text))
    }
  }

  private struct Item: Decodable {
    let text: String

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      text = try SettingValue.text(in: container) ?? container.decode(String.self)
    }
  }

  /// A string, or a number as a command line has it.
  private static func text(in container: any SingleValueDecodingContainer) -> String? {
    if let text = try? container.decode(String.self) { return text }
    if let integer = try? container.decode(Int.self) { return "\(integer)" }
    if let integer = try? container.decode(UInt64.self) { return "\(integer)" }
    return (try? container.decode(Double.self)).map { "\($0)" }
  }
}
