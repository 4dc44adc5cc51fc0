public import Foundation

/// A file that could not be written.
public struct FileWriteError: Error, Hashable, CustomStringConvertible {
  /// The file and what went wrong.
  public let description: String

  init(_ path: String, _ action: String, code: Int32 = errno) {
    description = "\(path): \(action): \(String(cString: strerror(code)))"
  }
}

/// Writing that leaves either the old file or the whole new one, never a part.
///
/// Bytes gather aside, in `<path>.partial`. Of two writers of one file the second waits for the first. What a killed
/// one leaves behind is in nobody's way, and overwritten by the next.
public final class AtomicFile {
  private let path: String
  private let file: Int32
  private var isInPlace = false
  /// Small pieces on their way to the file.
  private var pending: [UInt8] = []

  private static let bufferSize = 1 << 16

  private var temporary: String { path + Self.suffix }

  static let suffix = ".partial"

  /// Begins the new file, empty, and leaves the old one until ``commit()``. Waits while another writer has it.
  /// - Throws: when `<path>.partial` cannot be created or emptied.
  public init(_ path: String) throws(FileWriteError) {
    self.path = path
    file = try Self.openAlone(path + Self.suffix, for: path)
    pending.reserveCapacity(Self.bufferSize)
  }

  deinit {
    if !isInPlace { unlink(temporary) }
    close(file)
  }

  /// The temporary file, empty and held by nobody else.
  private static func openAlone(
    _ temporary: String, for path: String
  ) throws(FileWriteError) -> Int32 {
    while true {
      let file = open(temporary, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
      guard file >= 0 else { throw FileWriteError(path, "cannot be created") }
      while flock(file, LOCK_EX) != 0 && errno == EINTR {}
      // Whoever held it may have put it in place meanwhile: then the name is another file's, or nobody's.
      var (mine, named) = (stat(), stat())
      if fstat(file, &mine) == 0, stat(temporary, &named) == 0, mine.st_ino == named.st_ino,
        mine.st_dev == named.st_dev
      {
        if ftruncate(file, 0) == 0 { return file }
        let error = FileWriteError(path, "cannot be emptied")
        close(file)
        throw error
      }
      close(file)
    }
  }

  /// Adds bytes at the end.
  public func append(_ bytes: UnsafeRawBufferPointer) throws(FileWriteError) {
    if pending.count + bytes.count > Self.bufferSize { try flush() }
    if bytes.count < Self.bufferSize {
      pending += bytes
    } else {
      try Self.append(bytes, to: file, path: path)
    }
  }

  /// Adds bytes to what has been written.
  public func append(_ data: some ContiguousBytes) throws(FileWriteError) {
    try Self.withBytes(of: data) { bytes throws(FileWriteError) in try append(bytes) }
  }

  private func flush() throws(FileWriteError) {
    try Self.withBytes(of: pending) { bytes throws(FileWriteError) in
      try Self.append(bytes, to: file, path: path)
    }
    pending.removeAll(keepingCapacity: true)
  }

  /// Replaces the first bytes, of which there are as many already.
  func overwriteStart(with data: Data) throws(FileWriteError) {
    try flush()
    guard lseek(file, 0, SEEK_SET) == 0 else { throw FileWriteError(path, "cannot be written") }
    try append(data)
  }

  /// Syncs to the disk, and takes the place of the old file.
  public func commit() throws(FileWriteError) {
    try flush()
    guard fsync(file) == 0 else { throw FileWriteError(path, "cannot be synced") }
    guard rename(temporary, path) == 0 else { throw FileWriteError(path, "cannot be put in place") }
    isInPlace = true
    try Self.syncFolder(of: path)
  }

  /// Writes all of a file.
  public static func write(_ data: Data, to path: String) throws(FileWriteError) {
    let file = try AtomicFile(path)
    try file.append(data)
    try file.commit()
  }

  /// Makes names that were given or taken in the folder of `path` last.
  public static func syncFolder(of path: String) throws(FileWriteError) {
    let folder = open(
      URL(fileURLWithPath: path).deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }  // it may be written and not read
    defer { close(folder) }
    // Some file systems sync no folders.
    guard fsync(folder) == 0 || errno == EINVAL else { throw FileWriteError(path, "cannot be synced") }
  }

  /// `withUnsafeBytes` knows no typed errors.
  fileprivate static func withBytes(
    of bytes: some ContiguousBytes, _ body: (UnsafeRawBufferPointer) throws(FileWriteError) -> Void
  ) throws(FileWriteError) {
    var problem: FileWriteError?
    bytes.withUnsafeBytes { bytes in
      do throws(FileWriteError) {
        try body(bytes)
      } catch {
        problem = error
      }
    }
    if let problem { throw problem }
  }

  fileprivate static func append(
    _ bytes: UnsafeRawBufferPointer, to file: Int32, path: String
  ) throws(FileWriteError) {
    var rest = bytes
    while !rest.isEmpty {
      let count = Foundation.write(file, rest.baseAddress, rest.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw FileWriteError(path, "cannot be written") }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
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

  /// - Throws: when the line cannot be written, or nobody will read it, since the file was removed.
  public func append(_ line: String) throws(FileWriteError) {
    var status = stat()
    guard fstat(file, &status) != 0 || status.st_nlink > 0 else {
      throw FileWriteError(path, "was removed while it was written", code: ENOENT)
    }
    try AtomicFile.withBytes(of: Array((line + "\n").utf8)) { bytes throws(FileWriteError) in
      try AtomicFile.append(bytes, to: file, path: path)
    }
  }
}
