internal import Foundation

/// What an HTTP answer says before its body.
struct HTTPHead {
  let status: Int
  /// Names in small letters, in the order of their lines.
  private var fields: [(name: String, value: String)] = []

  /// The head that a first line begins; nil where it is none.
  init?(statusLine: String) {
    let parts = statusLine.split(separator: " ")
    guard statusLine.hasPrefix("HTTP/"), parts.count > 1, parts[1].count == 3, let status = Int(parts[1]) else {
      return nil
    }
    self.status = status
  }

  mutating func append(_ line: String) {
    guard let colon = line.firstIndex(of: ":") else { return }
    fields.append(
      (
        line[..<colon].lowercased(),
        line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
      ))
  }

  /// The values of all lines of a name.
  private func values(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

  /// The last value of a name.
  func value(_ name: String) -> String? { values(name).last }

  /// Interim answers come before the one that counts.
  var isInterim: Bool { (100..<200).contains(status) }

  /// Bytes of the body; nil where it is not told.
  /// - Throws: where it is no number, or several lines disagree.
  func contentLength() throws(DownloadError) -> Int? {
    let values = Set(values("content-length"))
    guard let value = values.first else { return nil }
    guard values.count == 1, let length = Self.number(value) else {
      throw DownloadError(
        "Content-Length is \(DownloadError.quoted(values.sorted().joined(separator: ", ")))", .temporary)
    }
    return length
  }

  /// `Content-Range: bytes 7-41/42`; nil where it is another or none, the total nil for `*`.
  var contentRange: (bytes: ClosedRange<Int>, total: Int?)? {
    guard let value = value("content-range"), value.lowercased().hasPrefix("bytes ") else { return nil }
    let parts = value.dropFirst("bytes ".count).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false).map { Self.number($0) }
    guard ends.count == 2, let first = ends[0], let last = ends[1], first <= last else { return nil }
    let total = Self.number(parts[1])
    guard parts[1] == "*" || total.map({ last < $0 }) == true else { return nil }
    return (first...last, total)
  }

  /// Seconds to wait before the next try.
  var retryAfter: Double? { value("retry-after").flatMap { Self.number($0) }.map(Double.init) }

  /// What hosts of large files publish beside a redirection to them.
  var publishedSize: Int? { value("x-linked-size").flatMap { Self.number($0) } }
  var publishedSHA256: String? {
    let tag = value("x-linked-etag")?.trimmingCharacters(in: CharacterSet(charactersIn: "\"W/"))
    return tag.flatMap { $0.count == 64 && $0.allSatisfy(\.isHexDigit) ? $0.lowercased() : nil }
  }

  /// Digits alone, as HTTP has it: no sign, no space.
  private static func number(_ text: some StringProtocol) -> Int? {
    text.isEmpty || text.utf8.contains { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? nil : Int(text)
  }
}
