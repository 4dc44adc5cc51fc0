/// Text as it comes, up to the first of some texts: what may yet become one of them is held back.
struct StopFilter {
  private let stops: [[UInt8]]
  private var held: [UInt8] = []
  /// Whether one of the texts has come.
  private(set) var hasStopped = false

  init(_ stops: [String]) { self.stops = stops.map { Array($0.utf8) } }

  /// What can be handed out once `text` has come too.
  mutating func append(_ text: String) -> String {
    guard !hasStopped else { return "" }
    held += Array(text.utf8)
    for place in held.indices {
      let rest = held[place...]
      if stops.contains(where: { rest.starts(with: $0) }) {
        hasStopped = true
        defer { held = [] }
        return String(decoding: held[..<place], as: UTF8.self)
      }
      // The end may be the beginning of one.
      if stops.contains(where: { $0.starts(with: rest) }) {
        defer { held = Array(held[place...]) }
        return String(decoding: held[..<place], as: UTF8.self)
      }
    }
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }

  /// What is left when nothing more comes.
  mutating func rest() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }
}
