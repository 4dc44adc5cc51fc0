import Foundation

/// How far a run is, in as many columns as there are.
struct ProgressLine {
  let name: String
  let done, total: Int
  /// Each may be empty.
  let loss: String
  let validation: String
  let speed: String
  let timeLeft: String

  /// Without a bar, as wide as it is.
  var text: String { text(columns: .max, hasBar: false) }

  /// With a bar as long as there is room for; where there is little, first the bar goes, then the speed, then losses.
  func text(columns: Int, hasBar: Bool = true) -> String {
    var parts = [loss, validation, speed, timeLeft].filter { !$0.isEmpty }
    func line(_ head: String) -> String { ([head + counts] + parts).joined(separator: "  ") }
    let plain = line(name + " ")
    let room = columns - plain.count - 1
    guard room < 8 || !hasBar else {
      let length = min(24, room)
      let filled = done * length / total
      return line(
        "\(name) \(String(repeating: "█", count: filled))\(String(repeating: "░", count: length - filled)) ")
    }
    for part in [speed, validation, loss] where line(name + " ").count > columns {
      parts.removeAll { $0 == part }
    }
    return String(line(name + " ").prefix(columns))
  }

  private var counts: String { "\(done)/\(total)" }
}
