/// A download that failed.
public struct DownloadError: Error, Hashable, CustomStringConvertible {
  /// What another try could change.
  enum Prospect: Hashable {
    case permanent, temporary
    /// The server asks to be left alone for so many seconds.
    case after(Double)
  }

  /// The file, what went wrong and what to do.
  public let description: String
  let prospect: Prospect

  init(_ description: String, _ prospect: Prospect = .permanent) {
    self.description = description
    self.prospect = prospect
  }

  /// The same, about a place.
  func about(_ place: String) -> DownloadError { DownloadError("\(place): \(description)", prospect) }

  /// What a server sent, fit for one line of a terminal.
  static func quoted(_ text: String) -> String {
    let visible = text.unicodeScalars.prefix(80).map { (" "..."~").contains($0) ? Character($0) : "?" }
    return "'\(String(visible))'"
  }
}
