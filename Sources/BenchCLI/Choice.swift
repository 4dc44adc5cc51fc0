import ArgumentParser

/// The case that a text names.
func choose<Choice: RawRepresentable<String> & CaseIterable>(_ text: String, for kind: String) throws -> Choice {
  guard let choice = Choice(rawValue: text) else {
    throw ValidationError("unknown \(kind) '\(text)'; known: \(list(Choice.self))")
  }
  return choice
}

/// The same of a text that may be missing.
func choose<Choice: RawRepresentable<String> & CaseIterable>(_ text: String?, for kind: String) throws -> Choice? {
  try text.map { try choose($0, for: kind) }
}

/// All cases, for a help text.
func list<Choice: CaseIterable & RawRepresentable<String>>(_ type: Choice.Type) -> String {
  Choice.allCases.map(\.rawValue).joined(separator: ", ")
}

/// A count of bytes as people write it: `800MB`, `800M`, `1.5 GiB`, `4096`.
struct ByteCount {
  let bytes: Int

  init(_ text: String) throws {
    let units: [(suffix: String, factor: Double)] = [
      ("kib", 1024), ("mib", 1_048_576), ("gib", 1_073_741_824), ("tib", 1_099_511_627_776), ("kb", 1e3), ("mb", 1e6),
      ("gb", 1e9), ("tb", 1e12), ("b", 1), ("k", 1e3), ("m", 1e6), ("g", 1e9), ("t", 1e12), ("", 1),
    ]
    let lower = text.lowercased().filter { !$0.isWhitespace }
    let unit = units.first { lower.hasSuffix($0.suffix) }!
    guard let number = Double(lower.dropLast(unit.suffix.count)), number > 0,
      number * unit.factor < 1e18
    else {
      throw ValidationError("'\(text)' is not a size in bytes; write for example 800MB or 2GiB")
    }
    bytes = Int(number * unit.factor)
  }
}

/// How this program was compiled.
enum Build {
  static var isDebug: Bool {
    #if DEBUG
      true
    #else
      false
    #endif
  }
}
