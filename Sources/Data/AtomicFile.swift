public import Foundation

/// A file that could not be written.
public struct FileWriteError: Error, Hashable, CustomStringConvertible {
  public let description: String

  init(_ path: String, _ action: String, code: Int32 = errno) {
    description = "\(path): \(action): \(String(cString: strerror(code)))"
  }
}

/// Writing that leaves either the old file or the whole new one, never a part.
public enum AtomicFile {
  /// Writes aside, syncs to the disk and renames.
  public static func write(_ data: Data, to path: String) throws(FileWriteError) {
    try write(data, followedBy: nil, to: path)
  }

  /// The same with all of another open file behind the data.
  static func write(
    _ data: Data, followedBy source: Int32?, to path: String
  ) throws(FileWriteError) {
    let temporary = path + ".partial"
    let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw FileWriteError(path, "cannot be created") }
    do throws(FileWriteError) {
      try append(data, to: file, path: path)
      if let source { try copy(source, to: file, path: path) }
      guard fsync(file) == 0 else { throw FileWriteError(path, "cannot be synced") }
    } catch {
      close(file)
      unlink(temporary)
      throw error
    }
    guard close(file) == 0, rename(temporary, path) == 0 else {
      let error = FileWriteError(path, "cannot be put in place")
      unlink(temporary)
      throw error
    }
  }

  private static func copy(_ source: Int32, to file: Int32, path: String) throws(FileWriteError) {
    guard lseek(source, 0, SEEK_SET) == 0 else { throw FileWriteError(path, "cannot be copied") }
    var buffer = Data(count: 1 << 20)
    while true {
      let count = buffer.withUnsafeMutableBytes { Foundation.read(source, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw FileWriteError(path, "cannot be copied") }
      if count == 0 { return }
      try append(buffer.prefix(count), to: file, path: path)
    }
  }

  static func append(_ data: Data, to file: Int32, path: String) throws(FileWriteError) {
    var written = 0
    while written < data.count {
      let result = data.withUnsafeBytes { bytes in
        Foundation.write(file, bytes.baseAddress! + written, data.count - written)
      }
      if result < 0 && errno == EINTR { continue }
      guard result > 0 else { throw FileWriteError(path, "cannot be written") }
      written += result
    }
  }
}

/// A file that grows line by line; every line is handed to the system when it is written.
public final class LineFile {
  private let path: String
  private let file: Int32

  /// Grows from where the file ends.
  public init(continuing path: String) throws(FileWriteError) {
    self.path = path
    file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard file >= 0 else { throw FileWriteError(path, "cannot be opened") }
  }

  /// Replaces the file by the given lines, then grows from there.
  public convenience init(continuing path: String, with lines: [String]) throws(FileWriteError) {
    try AtomicFile.write(Data(lines.map { $0 + "\n" }.joined().utf8), to: path)
    try self.init(continuing: path)
  }

  deinit { close(file) }

  public func append(_ line: String) throws(FileWriteError) {
    try AtomicFile.append(Data((line + "\n").utf8), to: file, path: path)
  }
}
