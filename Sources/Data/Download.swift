public import Foundation

/// A download that failed.
public struct DownloadError: Error, Hashable, CustomStringConvertible {
  public let description: String
  /// Whether trying again could help.
  let isTemporary: Bool

  init(_ description: String, isTemporary: Bool = false) {
    self.description = description
    self.isTemporary = isTemporary
  }
}

/// One file from the network: resumed where it broke off, checked, and put in place whole.
///
/// Bytes gather in `<destination>.partial`, also from one call to the next. The size and SHA-256 that the file
/// must have come from the caller or from the server's headers (`X-Linked-Size` and `X-Linked-ETag`, as hosts
/// of large files send them).
public struct Download: Sendable {
  public let source: URL
  public let destination: String
  public var expectedSize: Int?
  public var expectedSHA256: String?
  /// Connections in a row that may break without a byte before giving up.
  public var attempts = 5
  /// Seconds before the second attempt; doubled for each further one.
  public var firstDelay = 0.5

  public init(
    _ source: URL, to destination: String, expectedSize: Int? = nil, expectedSHA256: String? = nil
  ) {
    self.source = source
    self.destination = destination
    self.expectedSize = expectedSize
    self.expectedSHA256 = expectedSHA256
  }

  /// What is known of a finished download.
  public struct Summary: Hashable, Sendable {
    public let byteCount: Int
    public let sha256: String
    /// Whether there was a hash to compare with.
    public let wasVerified: Bool
  }

  private var partial: String { destination + ".partial" }

  private var partialSize: Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: partial)
    return (attributes?[.size] as? NSNumber)?.intValue ?? 0
  }

  /// - Parameter progress: told the bytes so far and, if known, of how many.
  /// - Throws: when the server refuses, the connection keeps breaking, the file cannot be written, another process
  ///   downloads to the same folder, or the bytes are not those expected (which are then deleted).
  public func run(progress: @escaping @Sendable (Int, Int?) -> Void) throws -> Summary {
    let folder = URL(fileURLWithPath: destination).deletingLastPathComponent().path
    guard let lock = FolderLock(folder) else {
      throw DownloadError("\(folder): another process downloads to this folder; let it end first")
    }
    defer { withExtendedLifetime(lock) {} }
    var (size, hash) = (expectedSize, expectedSHA256)
    try persistently {
      let described = try HTTPTransfer.describe(source)
      size = size ?? described.size
      hash = hash ?? described.sha256
    }
    let (total, wanted) = (size, hash)
    try persistently {
      if let total, partialSize >= total { return }
      try HTTPTransfer.receive(source, into: partial, from: partialSize) { progress($0, total) }
      if let total, partialSize < total {
        throw DownloadError("\(source): the connection ended early", isTemporary: true)
      }
    }
    return try checked(size: total, sha256: wanted)
  }

  /// Runs something again after temporary errors, unless they repeat without a byte of progress.
  private func persistently(_ body: () throws -> Void) throws {
    var (failures, delay) = (0, firstDelay)
    while true {
      let before = partialSize
      do {
        return try body()
      } catch let error as DownloadError where error.isTemporary {
        failures = partialSize > before ? 0 : failures + 1
        guard failures < attempts else {
          throw DownloadError(
            "\(error) (\(attempts) attempts without progress); run the command again to resume")
        }
        if failures > 0 {
          Thread.sleep(forTimeInterval: delay)
          delay *= 2
        }
      }
    }
  }

  /// Compares what was received with what was expected, and puts it in place.
  private func checked(size: Int?, sha256 wanted: String?) throws -> Summary {
    guard let file = FileHandle(forUpdatingAtPath: partial) else {
      throw DownloadError("\(partial): cannot be read back")
    }
    var (hash, count) = (SHA256(), 0)
    while let data = try file.read(upToCount: 1 << 22), !data.isEmpty {
      hash.update(Array(data))
      count += data.count
    }
    let found = hash.finalized()
    if let size, count != size {
      try? FileManager.default.removeItem(atPath: partial)
      throw DownloadError("\(source): \(count) bytes where \(size) were expected; they were deleted")
    }
    if let wanted, found != wanted.lowercased() {
      try? FileManager.default.removeItem(atPath: partial)
      throw DownloadError(
        "\(source): the bytes have SHA-256 \(found) where \(wanted) was expected; they were deleted")
    }
    try file.synchronize()
    guard rename(partial, destination) == 0 else {
      throw FileWriteError(destination, "cannot be put in place")
    }
    return Summary(byteCount: count, sha256: found, wasVerified: wanted != nil)
  }
}
