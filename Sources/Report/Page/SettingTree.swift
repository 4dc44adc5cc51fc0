internal import Foundation

/// Settings as JSON has them, whatever they are of.
indirect enum SettingTree: Decodable {
  case flag(Bool)
  case number(Double)
  case text(String)
  case list([SettingTree])
  case object([String: SettingTree])
  case none

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .none
    } else if let flag = try? container.decode(Bool.self) {
      self = .flag(flag)
    } else if let number = try? container.decode(Double.self) {
      self = .number(number)
    } else if let text = try? container.decode(String.self) {
      self = .text(text)
    } else if let list = try? container.decode([SettingTree].self) {
      self = .list(list)
    } else {
      self = .object(try container.decode([String: SettingTree].self))
    }
  }

  /// One entry a setting, under a name such as `model.feedForward.mlp.width`, in the order of names.
  func flattened(_ name: String = "") -> [(name: String, value: String)] {
    switch self {
    case .none: []
    case .flag(let flag): [(name, flag ? "true" : "false")]
    case .number(let number):
      [(name, number == number.rounded() && abs(number) < 1e15 ? "\(Int(number))" : "\(number)")]
    case .text(let text): [(name, text)]
    case .list(let items):
      if items.allSatisfy(\.isSingle) {
        [(name, items.flatMap { $0.flattened() }.map(\.value).joined(separator: ", "))]
      } else if items.allSatisfy({ $0.flattened().count < 4 }) {
        // Triples of coefficients and such.
        [
          (
            name,
            items.map { $0.flattened().map { "\($0.name) \($0.value)" }.joined(separator: ", ") }
              .joined(separator: "; ")
          )
        ]
      } else {
        items.enumerated().flatMap { $1.flattened("\(name).\($0 + 1)") }
      }
    case .object(let object):
      // A case without values is an empty object.
      if object.isEmpty {
        [(name, "yes")]
      } else {
        object.sorted { $0.key < $1.key }.flatMap { key, value in
          // What an unnamed value of a case is called says nothing.
          value.flattened(key == "_0" ? name : name.isEmpty ? key : "\(name).\(key)")
        }
      }
    }
  }

  private var isSingle: Bool {
    switch self {
    case .list, .object: false
    default: true
    }
  }
}
