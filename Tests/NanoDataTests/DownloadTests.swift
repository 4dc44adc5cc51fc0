import Foundation
import NanoData
import NanoTestSupport
import Synchronization
import Testing

/// A small HTTP server on the loopback interface that can misbehave.
private final class Server: Sendable {
  struct Manners: Sendable {
    /// Bytes of body after which the first so many connections are cut.
    var cutsAfter: Int?
    var cuts = 0
    var ignoresRanges = false
    var altersBytes = false
    var publishedSHA256: String?
    var status: Int?
  }

  private let content: [UInt8]
  private let manners: Manners
  private let socket: Int32
  let port: Int
  private let cutsLeft: Mutex<Int>
  /// The offsets that were asked for.
  let ranges = Mutex<[Int]>([])

  init(_ content: [UInt8], _ manners: Manners = Manners()) throws {
    self.content = content
    self.manners = manners
    cutsLeft = Mutex(manners.cuts)
    #if os(Linux)
      let stream = Int32(SOCK_STREAM.rawValue)
    #else
      let stream = SOCK_STREAM
    #endif
    let socket = Foundation.socket(AF_INET, stream, 0)
    self.socket = socket
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        Foundation.bind(socket, pointer, length) == 0 && getsockname(socket, pointer, &length) == 0
      }
    }
    try #require(bound && listen(socket, 16) == 0)
    port = Int(UInt16(bigEndian: address.sin_port))
    Thread.detachNewThread { [self] in
      while true {
        let connection = accept(socket, nil, nil)
        guard connection >= 0 else { return }
        serve(connection)
        close(connection)
      }
    }
  }

  func stop() {
    shutdown(socket, Int32(SHUT_RDWR))
    close(socket)
  }

  private func serve(_ connection: Int32) {
    var request = [UInt8]()
    var buffer = [UInt8](repeating: 0, count: 4096)
    while !String(decoding: request, as: UTF8.self).contains("\r\n\r\n") {
      let count = recv(connection, &buffer, buffer.count, 0)
      guard count > 0 else { return }
      request += buffer[..<count]
    }
    let lines = String(decoding: request, as: UTF8.self).components(separatedBy: "\r\n")
    let isHead = lines[0].hasPrefix("HEAD")
    let asked = lines.first { $0.lowercased().hasPrefix("range: bytes=") }
      .flatMap { Int($0.dropFirst(13).dropLast()) }
    if !isHead { ranges.withLock { $0.append(asked ?? 0) } }
    let start = manners.ignoresRanges ? 0 : asked ?? 0
    var status = start > 0 ? "206 Partial Content" : "200 OK"
    if let code = manners.status { status = "\(code) Trouble" }
    var header = "HTTP/1.1 \(status)\r\nContent-Length: \(content.count - start)\r\nConnection: close\r\n"
    if start > 0 {
      header += "Content-Range: bytes \(start)-\(content.count - 1)/\(content.count)\r\n"
    }
    if let hash = manners.publishedSHA256 {
      header += "X-Linked-Size: \(content.count)\r\nX-Linked-ETag: \"\(hash)\"\r\n"
    }
    send(Array((header + "\r\n").utf8), to: connection)
    guard !isHead, manners.status == nil else { return }
    var body = Array(content[start...])
    if manners.altersBytes { body[body.count / 2] ^= 1 }
    if let cutsAfter = manners.cutsAfter {
      let cuts = cutsLeft.withLock { left -> Bool in
        left -= 1
        return left >= 0
      }
      if cuts { body = Array(body.prefix(cutsAfter)) }
    }
    send(body, to: connection)
  }

  private func send(_ bytes: [UInt8], to connection: Int32) {
    var sent = 0
    while sent < bytes.count {
      #if os(Linux)
        let flags = Int32(MSG_NOSIGNAL)
      #else
        let flags: Int32 = 0
      #endif
      let count = bytes.withUnsafeBytes {
        Foundation.send(connection, $0.baseAddress! + sent, bytes.count - sent, flags)
      }
      guard count > 0 else { return }
      sent += count
    }
  }
}

private let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
private let hash = SHA256.hexadecimal(of: content)

private func download(
  _ server: Server, to folder: TemporaryFolder, sha256: String? = nil
) throws -> Download.Summary {
  var download = Download(
    URL(string: "http://127.0.0.1:\(server.port)/file")!, to: folder.path + "/file",
    expectedSHA256: sha256)
  download.firstDelay = 0.01
  download.attempts = 3
  return try download.run { _, _ in }
}

private func file(_ folder: TemporaryFolder, _ name: String = "file") -> [UInt8]? {
  (try? Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + name))).map { Array($0) }
}

@Test func downloadsAreCheckedAgainstWhatIsPublished() throws {
  let server = try Server(content, .init(publishedSHA256: hash))
  defer { server.stop() }
  let folder = try TemporaryFolder()
  let summary = try download(server, to: folder)
  #expect(summary.wasVerified && summary.sha256 == hash && summary.byteCount == content.count)
  #expect(file(folder) == content && file(folder, "file.partial") == nil)
}

@Test func brokenConnectionsAreResumed() throws {
  let server = try Server(content, .init(cutsAfter: 70_000, cuts: 3, publishedSHA256: hash))
  defer { server.stop() }
  let folder = try TemporaryFolder()
  _ = try download(server, to: folder)
  #expect(file(folder) == content)
  let asked = server.ranges.withLock { $0 }
  #expect(asked.count == 4 && asked == asked.sorted() && asked[3] > 100_000)
}

@Test func aPartialFileOfAnEarlierRunIsContinued() throws {
  let server = try Server(content, .init(publishedSHA256: hash))
  defer { server.stop() }
  let folder = try TemporaryFolder()
  try Data(content.prefix(200_000)).write(
    to: URL(fileURLWithPath: folder.path + "/file.partial"))
  _ = try download(server, to: folder)
  #expect(file(folder) == content && server.ranges.withLock { $0 } == [200_000])
}

@Test func ignoredRangesStartTheFileAgain() throws {
  let server = try Server(
    content, .init(cutsAfter: 70_000, cuts: 1, ignoresRanges: true, publishedSHA256: hash))
  defer { server.stop() }
  let folder = try TemporaryFolder()
  _ = try download(server, to: folder)
  #expect(file(folder) == content)
}

@Test func wrongBytesAreDeleted() throws {
  let server = try Server(content, .init(altersBytes: true))
  defer { server.stop() }
  let folder = try TemporaryFolder()
  #expect { try download(server, to: folder, sha256: hash) } throws: {
    "\($0)".contains("SHA-256") && "\($0)".contains(hash)
  }
  #expect(file(folder) == nil && file(folder, "file.partial") == nil)
}

@Test func refusalsAndEndlessCutsEnd() throws {
  let folder = try TemporaryFolder()
  let missing = try Server(content, .init(status: 404))
  defer { missing.stop() }
  #expect { try download(missing, to: folder) } throws: { "\($0)".contains("404") }
  let cutting = try Server(content, .init(cutsAfter: 0, cuts: 1000))
  defer { cutting.stop() }
  #expect { try download(cutting, to: folder) } throws: {
    "\($0)".contains("3 attempts without progress")
  }
  #expect(file(folder) == nil)
}
