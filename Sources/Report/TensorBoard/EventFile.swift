internal import Foundation
internal import NanoData

/// An event file that could not be written.
public struct EventFileError: Error, Hashable, CustomStringConvertible {
  public let description: String
}

/// A file of TensorBoard's events, each a TFRecord: its length and its content, both with a checksum. Every event is
/// handed to the system when it is written.
///
/// Readers take the files of a folder in the order of their names, and silently end a file at a torn record. So every
/// process has a file of its own, whose name has the time in a fixed width, later than that of any file before.
/// - SeeAlso: `event.proto` and `summary.proto` of TensorBoard.
final class EventFile {
  private static let prefix = "events.out.tfevents."

  private let path: String
  private let file: FileHandle

  init(in folder: String) throws {
    let last = Self.names(in: folder).last.flatMap(Self.microseconds) ?? 0
    let now = Int(Date().timeIntervalSince1970 * 1e6)
    // Clocks are set back now and then.
    let time = max(now, last + 1)
    path = "\(folder)/\(Self.prefix)\(String(format: "%010d.%06d", time / 1_000_000, time % 1_000_000))"
    try AtomicFile.write(Data(), to: path)
    guard let file = FileHandle(forWritingAtPath: path) else {
      throw EventFileError(description: "\(path): cannot be opened")
    }
    self.file = file
    var version = Self.event(step: 0)
    version.append(3, "brain.Event:2")
    try append(version)
  }

  deinit { try? file.close() }

  /// Of event files in a folder, in order.
  static func names(in folder: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasPrefix(prefix) }.sorted()
  }

  private static func microseconds(_ name: String) -> Int? {
    let parts = name.dropFirst(prefix.count).split(separator: ".").compactMap { Int($0) }
    return parts.count == 2 ? parts[0] * 1_000_000 + parts[1] : nil
  }

  /// Tells readers that what is known of this step and later ones from files before is void.
  func appendStart(step: Int) throws {
    var log = ProtobufMessage()
    log.append(1, Int64(1))
    var event = Self.event(step: step)
    event.append(7, log)
    try append(event)
  }

  /// Adds figures of one step; what is not a finite number is left out.
  func append(step: Int, _ figures: [(tag: String, value: Double?)]) throws {
    var summary = ProtobufMessage()
    for (tag, value) in figures {
      guard let value, value.isFinite else { continue }
      var figure = ProtobufMessage()
      figure.append(1, tag)
      figure.append(2, Float(value))
      summary.append(1, figure)
    }
    var event = Self.event(step: step)
    event.append(5, summary)
    try append(event)
  }

  private static func event(step: Int) -> ProtobufMessage {
    var event = ProtobufMessage()
    event.append(1, Date().timeIntervalSince1970)
    event.append(2, Int64(step))
    return event
  }

  private func append(_ event: ProtobufMessage) throws {
    let length = littleEndian(UInt64(event.bytes.count))
    let record =
      length + littleEndian(CRC32C.masked(length)) + event.bytes + littleEndian(CRC32C.masked(event.bytes))
    do {
      try file.write(contentsOf: Data(record))
    } catch {
      throw EventFileError(description: "\(path): cannot be written: \(error.localizedDescription)")
    }
  }
}
