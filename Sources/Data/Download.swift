public import Foundation

/// One file from the network: resumed where it broke off, checked, and put in place whole.
///
/// Bytes gather in `<destination>.partial`, also from one call to the next; they are added to only while the server shows
/// that it still has the same file. The size and SHA-256 that the file must have come from the caller or from the
/// server's headers (`X-Linked-Size` and `X-Linked-ETag`, as hosts of large files send them).
///
/// No server is believed or waited for: whatever one sends or leaves out, a download that gets nowhere ends.
public struct Download: Sendable {
  /// Where it comes from.
  public let source: URL
  /// The path that it gets once it is whole.
  public let destination: String
  /// In bytes; nil if nobody knows.
  public var expectedSize: Int?
  /// In hexadecimal; nil if nobody knows.
  public var expectedSHA256: String?
  /// The most bytes that the file may have: a server that names no length could send for ever.
  public var largestSize = 1 << 40
  /// Looks at the whole file before it is put in place, and throws what is wrong with it.
  public var inspection: @Sendable (_ path: String) throws -> Void = { _ in }
  /// Connections in a row that may break without a byte before giving up.
  public var attempts = 5
  /// Seconds before the second attempt; doubled for each further one.
  public var firstDelay = 0.5
  /// Seconds in which a connection may bring nothing at all.
  public var silence = 15.0
  /// Seconds in which all connections together must bring at least 64 KiB, or the end of the file.
  public var patience = 45.0

  private static let redirectionLimit = 10

  /// A download that begins with ``run(progress:)``.
  /// - Parameters:
  ///   - destination: a path, to which the file is moved when it is whole.
  ///   - expectedSize: in bytes; nil if nobody knows.
  ///   - expectedSHA256: 64 hexadecimal digits, capital or small; nil if nobody knows.
  public init(
    _ source: URL, to destination: String, expectedSize: Int? = nil, expectedSHA256: String? = nil
  ) {
    self.source = source
    self.destination = destination
    self.expectedSize = expectedSize
    self.expectedSHA256 = expectedSHA256?.lowercased()
  }

  /// What is known of a finished download.
  public struct Summary: Hashable, Sendable {
    /// Bytes of the file.
    public let byteCount: Int
    /// In hexadecimal.
    public let sha256: String
    /// Whether there was a hash to compare with.
    public let wasVerified: Bool
  }

  private var partial: PartialFile { PartialFile(path: destination + ".partial") }

  /// - Parameter progress: told the bytes so far and, if known, of how many.
  /// - Throws: when the server refuses, the connection keeps breaking, the file cannot be written, another process
  ///   downloads to the same folder, or the bytes are not those expected (which are then deleted).
  public func run(progress: @escaping @Sendable (Int, Int?) -> Void) throws -> Summary {
    let folder = URL(fileURLWithPath: destination).deletingLastPathComponent().path
    guard let lock = FolderLock(folder) else {
      throw DownloadError("\(folder): another process downloads to this folder; let it end first")
    }
    defer { withExtendedLifetime(lock) {} }
    let pace = Pace(patience: patience, from: partial.size)
    var (failures, delay, mayBeginAgain) = (0, firstDelay, true)
    while true {
      let farthest = pace.farthest
      do {
        let (version, isJoined) = try receive(pace, progress)
        do {
          return try checked(version)
        } catch let error as DownloadError where isJoined && mayBeginAgain {
          // A part from an earlier connection may have been of another file.
          mayBeginAgain = false
          throw DownloadError(error.description, .temporary)
        }
      } catch let error as DownloadError {
        failures = pace.farthest > farthest ? 0 : failures + 1
        try rest(after: error, failures: failures, delay: delay, pace)
        if failures > 0 { delay *= 2 }
      }
    }
  }

  /// Waits for the next attempt; throws where there is no use in one.
  private func rest(after error: DownloadError, failures: Int, delay: Double, _ pace: Pace) throws {
    let error = error.about(source.absoluteString)
    let pause: Double
    switch error.prospect {
    case .permanent: throw error
    case .temporary: pause = failures > 0 ? delay : 0
    case .after(let seconds): pause = max(seconds, delay)
    }
    guard pause <= patience else {
      throw DownloadError(
        "\(error) and asks to wait longer than \(Int(patience)) s; run the command again later to resume")
    }
    guard failures < attempts else {
      throw DownloadError("\(error) (\(attempts) attempts without progress); run the command again to resume")
    }
    guard pause < pace.remaining else {
      throw DownloadError("\(error); nothing came in \(Int(patience)) s: run the command again to resume")
    }
    Thread.sleep(forTimeInterval: pause)
  }

  // MARK: One connection after the other

  /// Adds what is missing, following redirections.
  /// - Returns: of which version the file is, and whether it is made of more than one connection's bytes.
  private func receive(
    _ pace: Pace, _ progress: @escaping @Sendable (Int, Int?) -> Void
  ) throws -> (version: PartialFile.Version, isJoined: Bool) {
    var wanted = PartialFile.Version(source: source.absoluteString, size: expectedSize, sha256: expectedSHA256)
    var address = source.absoluteString
    for _ in 0...Self.redirectionLimit {
      var answer = Answer(wanted: wanted, partial: partial, largestSize: largestSize)
      if answer.isWhole { return (answer.version, true) }
      let redirection = try HTTPRequest(url: address, headers: answer.requestHeaders, silence: silence).run(
        goesOn: { pace.remaining > 0 },
        receiveHead: { head in try answer.take(head) },
        receiveBody: { bytes in
          try answer.take(bytes)
          pace.note(answer.position)
          progress(answer.position, answer.version.size)
        })
      guard let redirection else {
        try answer.finish()
        return (answer.version, answer.offset > 0)
      }
      guard let scheme = URL(string: redirection)?.scheme,
        scheme == "https" || scheme == "http" && URL(string: address)?.scheme == "http"
      else {
        throw DownloadError("the server redirects to \(DownloadError.quoted(redirection)), which is not followed")
      }
      (address, wanted) = (redirection, answer.wanted)
    }
    throw DownloadError("the server redirects more than \(Self.redirectionLimit) times")
  }

  /// Compares what was received with what was expected, and puts it in place.
  private func checked(_ version: PartialFile.Version) throws -> Summary {
    guard let file = FileHandle(forUpdatingAtPath: partial.path) else {
      throw FileWriteError(partial.path, "cannot be read back")
    }
    var (hash, count) = (SHA256(), 0)
    while let data = try file.read(upToCount: 1 << 22), !data.isEmpty {
      hash.update(Array(data))
      count += data.count
    }
    let found = hash.finalized()
    do {
      guard count > 0 else { throw DownloadError("the file is empty there") }
      if let size = version.size, count != size {
        throw DownloadError("\(count) bytes where \(size) were expected; they were deleted")
      }
      if let wanted = version.sha256, found != wanted {
        throw DownloadError("the bytes have SHA-256 \(found) where \(wanted) was expected; they were deleted")
      }
      try inspection(partial.path)
    } catch {
      partial.delete()
      throw error
    }
    try file.synchronize()
    try partial.put(in: destination)
    return Summary(byteCount: count, sha256: found, wasVerified: version.sha256 != nil)
  }
}

/// Whether a download gets anywhere.
private final class Pace {
  private static let step = 1 << 16
  private let patience: Duration
  private var start = ContinuousClock.now
  private var milestone: Int
  /// The most bytes that the file ever had.
  private(set) var farthest: Int

  init(patience: Double, from bytes: Int) {
    self.patience = .seconds(patience)
    milestone = bytes + Self.step
    farthest = bytes
  }

  /// Seconds until patience ends.
  var remaining: Double { (start + patience - .now) / .seconds(1) }

  func note(_ bytes: Int) {
    farthest = max(farthest, bytes)
    guard bytes >= milestone else { return }
    milestone = bytes + Self.step
    start = .now
  }
}
