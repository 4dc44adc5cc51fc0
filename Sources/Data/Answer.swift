internal import Foundation

/// One answer of a server, and the partial file that its body goes to.
struct Answer {
  /// Of which version the file must be, as far as the caller and the server's published values tell.
  private(set) var wanted: PartialFile.Version
  /// Of which version it is.
  private(set) var version: PartialFile.Version
  /// Bytes of the file so far.
  private(set) var position: Int
  /// Where the partial file ended when the request was made; 0 to begin again.
  let offset: Int

  private let partial: PartialFile
  private let kept: PartialFile.Version?
  private let largestSize: Int
  private var file: FileHandle?
  /// Where the body must end.
  private var end: Int?
  private var skippedCount = 0

  init(wanted: PartialFile.Version, partial: PartialFile, largestSize: Int) {
    self.wanted = wanted
    self.partial = partial
    self.largestSize = largestSize
    let (size, kept) = (partial.size, partial.version)
    // Bytes of a version that nothing tells from others are only worth keeping if a hash will tell in the end.
    let isKnown = wanted.sha256 != nil || kept?.source == wanted.source && kept?.condition != nil
    let isOther = kept.map { wanted.isSame(as: $0) == false } ?? false
    offset = isKnown && !isOther && size <= wanted.size ?? .max ? size : 0
    position = offset
    self.kept = offset > 0 ? kept : nil
    version = wanted
    version.size = wanted.size ?? self.kept?.size
  }

  /// Whether the partial file is whole already, so that nothing is left to ask for.
  var isWhole: Bool { offset > 0 && offset == version.size }

  var requestHeaders: [String] {
    var headers = ["Accept-Encoding: identity"]
    if offset > 0 {
      headers.append("Range: bytes=\(offset)-")
      if let condition = kept?.condition { headers.append("If-Range: \(condition)") }
    }
    return headers
  }

  // MARK: Head

  /// - Throws: where the body is not what was asked for.
  mutating func take(_ head: HTTPHead) throws {
    wanted.size = wanted.size ?? head.publishedSize
    wanted.sha256 = wanted.sha256 ?? head.publishedSHA256
    version = wanted
    switch head.status {
    case 200:
      end = try head.contentLength()
      try describe(head, size: end)
      file = try partial.begin(version)
      position = 0
    case 206: try resume(head)
    case 301, 302, 303, 307, 308: break
    case 416:
      partial.delete()
      throw DownloadError("the server has no byte \(offset)", .temporary)
    case 408, 425, 429, 500...599:
      throw DownloadError("the server answers \(head.status)", head.retryAfter.map { .after($0) } ?? .temporary)
    default: throw DownloadError("the server answers \(head.status)")
    }
  }

  private mutating func resume(_ head: HTTPHead) throws {
    let length = try head.contentLength()
    guard offset > 0, let (bytes, total) = head.contentRange, bytes.lowerBound == offset,
      length ?? bytes.count == bytes.count
    else {
      partial.delete()
      throw DownloadError("the server sends another part of the file than was asked for", .temporary)
    }
    try describe(head, size: total)
    guard kept.flatMap({ version.isSame(as: $0) }) ?? (version.sha256 != nil) else {
      partial.delete()
      throw DownloadError("the file changed at the server while it was fetched", .temporary)
    }
    file = try partial.resume()
    end = bytes.upperBound + 1
  }

  /// Notes what the head says of the file, where that can be and contradicts nothing.
  private mutating func describe(_ head: HTTPHead, size: Int?) throws {
    if let type = head.value("content-type")?.lowercased(), type.contains("html") {
      throw DownloadError("the server sends a web page, not the file; some networks first want a log-in in a browser")
    }
    if let encoding = head.value("content-encoding"), encoding.lowercased() != "identity" {
      throw DownloadError("the server sends the file as \(DownloadError.quoted(encoding)), which was not asked for")
    }
    if let known = version.size, let size, size != known {
      throw DownloadError("the server's file has \(size) bytes where \(known) were expected")
    }
    version.size = version.size ?? size
    version.entityTag = head.value("etag")
    version.lastModified = head.value("last-modified")
    guard version.size != 0 else { throw DownloadError("the file is empty there") }
    guard version.size ?? 0 <= largestSize else {
      throw DownloadError("the server's file has \(version.size ?? 0) bytes; at most \(largestSize) are taken")
    }
    let isFramed = head.value("transfer-encoding")?.lowercased().contains("chunked") == true
    guard version.size != nil || version.sha256 != nil || isFramed else {
      throw DownloadError("the server does not say how long the file is, so that a broken connection could not be told")
    }
  }

  // MARK: Body

  mutating func take(_ bytes: UnsafeRawBufferPointer) throws {
    guard let file else {  // of a redirection
      skippedCount += bytes.count
      guard skippedCount <= 1 << 20 else { throw DownloadError("the server redirects with an endless text") }
      return
    }
    guard position + bytes.count <= end ?? version.size ?? largestSize else {
      partial.delete()
      throw DownloadError("the server sends more bytes than the file may have")
    }
    do {
      try file.write(contentsOf: Data(bytes))
    } catch {
      throw FileWriteError(partial.path, "cannot be written")
    }
    position += bytes.count
  }

  /// Looks whether the file is whole now.
  func finish() throws {
    guard file != nil else { throw DownloadError("the server redirects without saying where to") }
    try? file?.close()
    guard position == end ?? position, position == version.size ?? position else {
      throw DownloadError("the connection ended early", .temporary)
    }
  }
}
