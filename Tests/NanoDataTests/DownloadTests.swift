import Foundation
import NanoData
import NanoTestSupport
import Testing

private let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
private let hash = SHA256.hexadecimal(of: content)

private typealias Request = LoopbackServer.Request
private typealias Step = LoopbackServer.Step

/// The honest answer to a request for all or the rest of some bytes.
private func answer(
  _ request: Request, _ bytes: [UInt8] = content, fields: [String] = ["ETag: \"1\""], cutAfter count: Int? = nil
) -> [UInt8] {
  let offset = min(request.offset, bytes.count)
  var lines = [offset > 0 ? "HTTP/1.1 206 Partial Content" : "HTTP/1.1 200 OK"] + fields
  if offset > 0 { lines.append("Content-Range: bytes \(offset)-\(bytes.count - 1)/\(bytes.count)") }
  lines += ["Content-Length: \(bytes.count - offset)", "Connection: close", "", ""]
  return Array(lines.joined(separator: "\r\n").utf8) + bytes[offset...].prefix(count ?? .max)
}

private func download(
  _ server: LoopbackServer, to folder: TemporaryFolder, sha256: String? = nil, attempts: Int = 3,
  silence: Double = 0.4, patience: Double = 20, largestSize: Int = 1 << 40,
  inspection: @escaping @Sendable (String) throws -> Void = { _ in }
) throws -> Download.Summary {
  var download = Download(
    URL(string: "http://127.0.0.1:\(server.port)/file")!, to: folder.path + "/file", expectedSHA256: sha256)
  download.firstDelay = 0.001
  (download.attempts, download.silence, download.patience) = (attempts, silence, patience)
  (download.largestSize, download.inspection) = (largestSize, inspection)
  return try download.run { _, _ in }
}

private func file(_ folder: TemporaryFolder, _ name: String = "file") -> [UInt8]? {
  (try? Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + name))).map { Array($0) }
}

private func files(_ folder: TemporaryFolder) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder.path)
}

// MARK: What comes right

@Test func downloadsAreCheckedAgainstWhatIsPublished() throws {
  let server = try LoopbackServer { request in
    guard request.path == "/file" else { return [.send(answer(request))] }
    return [
      .send(
        "HTTP/1.1 302 Found\r\nX-Linked-Size: \(content.count)\r\nX-Linked-ETag: \"\(hash)\"\r\nLocation: /elsewhere\r\n"
          + "Content-Length: 4\r\n\r\nover")
    ]
  }
  defer { server.stop() }
  let folder = try TemporaryFolder()
  let summary = try download(server, to: folder)
  #expect(summary.wasVerified && summary.sha256 == hash && summary.byteCount == content.count)
  #expect(file(folder) == content && server.requests.map(\.path) == ["/file", "/elsewhere"])
  #expect(try files(folder) == ["file"])
}

@Test func brokenConnectionsAreResumed() throws {
  let server = try LoopbackServer { [.send(answer($0, cutAfter: $0.number < 3 ? 70_000 : nil))] }
  defer { server.stop() }
  let folder = try TemporaryFolder()
  #expect(try !download(server, to: folder).wasVerified)
  #expect(file(folder) == content && server.requests.map(\.offset) == [0, 70_000, 140_000, 210_000])
  #expect(server.requests[1].value("If-Range") == "\"1\"")
}

@Test func aPartialFileOfAnEarlierRunIsContinued() throws {
  let server = try LoopbackServer { [.send(answer($0))] }
  defer { server.stop() }
  let folder = try TemporaryFolder()
  try Data(content.prefix(200_000)).write(to: URL(fileURLWithPath: folder.path + "/file.partial"))
  _ = try download(server, to: folder, sha256: hash)
  #expect(file(folder) == content && server.requests.map(\.offset) == [200_000])
}

@Test func rangesThatAreIgnoredBeginTheFileAgain() throws {
  let server = try LoopbackServer { request in
    var whole = answer(Request.first)
    if request.number == 0 { whole.removeLast(230_000) }
    return [.send(whole)]
  }
  defer { server.stop() }
  let folder = try TemporaryFolder()
  _ = try download(server, to: folder)
  #expect(file(folder) == content && server.requests.map(\.offset) == [0, 70_000])
}

@Test func answersInChunksNeedNoLength() throws {
  let server = try LoopbackServer { _ in
    [
      .send(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
      )
    ]
  }
  defer { server.stop() }
  let folder = try TemporaryFolder()
  #expect(try download(server, to: folder).byteCount == 5 && file(folder) == Array("abcde".utf8))
}

@Test func aBusyServerIsAskedAgain() throws {
  let server = try LoopbackServer { request in
    request.number < 2
      ? [.send("HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")] : [.send(answer(request))]
  }
  defer { server.stop() }
  let folder = try TemporaryFolder()
  _ = try download(server, to: folder)
  #expect(file(folder) == content && server.requests.count == 3)
}

// MARK: Other bytes than asked for

@Test func wrongBytesAreDeleted() throws {
  let server = try LoopbackServer { request in
    var bytes = content
    bytes[150_000] ^= 1
    return [.send(answer(request, bytes))]
  }
  defer { server.stop() }
  let folder = try TemporaryFolder()
  #expect { try download(server, to: folder, sha256: hash) } throws: {
    "\($0)".contains("SHA-256") && "\($0)".contains(hash)
  }
  #expect(try files(folder).isEmpty && server.requests.count == 1)
}

/// Bytes of an unknown earlier file are found out in the end, and the file is fetched whole.
@Test func wrongBytesOfAnEarlierRunAreFetchedAgain() throws {
  let server = try LoopbackServer { [.send(answer($0))] }
  defer { server.stop() }
  let folder = try TemporaryFolder()
  try Data(count: 200_000).write(to: URL(fileURLWithPath: folder.path + "/file.partial"))
  _ = try download(server, to: folder, sha256: hash)
  #expect(file(folder) == content && server.requests.map(\.offset) == [200_000, 0])
}

@Test func theBytesOfTwoVersionsAreNeverJoined() throws {
  let newer = content.map { $0 ^ 0x55 }
  let changes: [(before: [String], after: [String])] = [
    (["ETag: \"1\""], ["ETag: \"2\""]), (["ETag: \"1\""], []), ([], []), (["ETag: W/\"1\""], ["ETag: W/\"1\""]),
    (["Last-Modified: Mon, 02 Nov 2026 10:00:00 GMT"], ["Last-Modified: Mon, 02 Nov 2026 10:00:01 GMT"]),
  ]
  for (before, after) in changes {
    // It changed after the first connection, and the server minds no condition.
    let server = try LoopbackServer { request in
      request.number == 0
        ? [.send(answer(request, fields: before, cutAfter: 70_000))] : [.send(answer(request, newer, fields: after))]
    }
    defer { server.stop() }
    let folder = try TemporaryFolder()
    _ = try download(server, to: folder)
    #expect(file(folder) == newer, "\(before) to \(after)")
  }
}

@Test func aFileThatChangedBetweenTwoRunsIsFetchedAnew() throws {
  let newer = content.map { $0 ^ 0x55 } + [1, 2, 3]
  let folder = try TemporaryFolder()
  let server = try LoopbackServer { request in
    if request.number == 0 { return [.send(answer(request, cutAfter: 70_000))] }
    return request.number < 3 ? [] : [.send(answer(request, newer, fields: ["ETag: \"2\""]))]
  }
  defer { server.stop() }
  #expect(throws: DownloadError.self) { try download(server, to: folder, attempts: 2) }
  #expect(file(folder, "file.partial")?.count == 70_000)
  _ = try download(server, to: folder)
  #expect(file(folder) == newer)
}

@Test func anotherRangeThanAskedForIsNotAppended() throws {
  for range in [
    "bytes 7-299999/300000", "bytes 70000-299999/300001", "bytes 70000-299998/300000", "bytes */300000", "",
  ] {
    let server = try LoopbackServer { request in
      guard request.offset > 0 else { return [.send(answer(request, cutAfter: 70_000))] }
      return [
        .send(
          Array(
            "HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\nContent-Range: \(range)\r\nContent-Length: 230000\r\n\r\n"
              .utf8)
            + content[7..<230_007])
      ]
    }
    defer { server.stop() }
    let folder = try TemporaryFolder()
    #expect(throws: DownloadError.self, "\(range)") { try download(server, to: folder) }
    #expect(file(folder) == nil, "\(range)")
  }
}

@Test func whatIsFoundWrongInTheEndIsDeleted() throws {
  struct Unwanted: Error {}
  let server = try LoopbackServer { [.send(answer($0))] }
  defer { server.stop() }
  let folder = try TemporaryFolder()
  #expect(throws: Unwanted.self) {
    try download(server, to: folder) { path in
      #expect(FileManager.default.contents(atPath: path) == Data(content))
      throw Unwanted()
    }
  }
  #expect(try files(folder).isEmpty)
}

// MARK: Hostile servers

private let ok = "HTTP/1.1 200 OK\r\n"

/// What a server may do, and what is said of it.
private let hostile: [(name: String, steps: [Step], part: String)] = [
  ("closes", [], "attempts without progress"),
  ("is silent", [.wait(30)], "silent"),
  ("is silent in its head", [.send(ok + "Content-Le"), .wait(30)], "silent"),
  ("is silent in its body", [.send(ok + "Content-Length: 10\r\n\r\nabc"), .wait(30)], "silent"),
  ("trickles its head", [.send(ok), .sendForEver(Array("X: y\r\n".utf8), pause: 0.1)], "slow"),
  ("trickles its body", [.send(ok + "Content-Length: 10000\r\n\r\n"), .sendForEver([1], pause: 0.1)], "slow"),
  (
    "has an endless head",
    [.send(ok), .sendForEver(Array("X: \(String(repeating: "y", count: 4000))\r\n".utf8), pause: 0)], "head"
  ),
  ("has an endless line", [.send(ok + "X: "), .sendForEver([0x79], pause: 0)], "attempts"),
  ("sends interim answers for ever", [.sendForEver(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), pause: 0)], "head"),
  ("switches protocols", [.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), .wait(30)], "silent"),
  ("speaks no HTTP", [.send("220 mail.example.com ESMTP\r\n"), .wait(30)], "attempts"),
  ("sends bytes", [.send((0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7) })], "attempts"),
  ("answers in HTTP/0.9", [.send("abc")], "attempts"),
  ("has no such file", [.send("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc")], "answers 404"),
  (
    "asks for a password",
    [.send("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n")], "401"
  ),
  ("asks for a proxy's", [.send("HTTP/1.1 407 Proxy\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n")], "407"),
  ("has no content", [.send("HTTP/1.1 204 No Content\r\n\r\n")], "204"),
  ("has a status of its own", [.send("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n")], "999"),
  ("fails", [.send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")], "500"),
  (
    "asks to wait for a day", [.send("HTTP/1.1 503 Busy\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n")],
    "answers 503 and asks to wait longer than"
  ),
  (
    "redirects to itself", [.send("HTTP/1.1 302 Found\r\nLocation: /file\r\nContent-Length: 0\r\n\r\n")],
    "redirects more than"
  ),
  (
    "redirects to a file", [.send("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n")],
    "file:///etc"
  ),
  (
    "redirects to no address", [.send("HTTP/1.1 302 Found\r\nLocation: http://[::\r\nContent-Length: 0\r\n\r\n")],
    "redirect"
  ),
  ("redirects nowhere", [.send("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")], "redirects without"),
  (
    "redirects with an endless text",
    [.send("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"), .sendForEver([UInt8](repeating: 1, count: 9000), pause: 0)],
    "endless"
  ),
  (
    "sends a page",
    [.send(ok + "Content-Type: text/html; charset=utf-8\r\nContent-Length: 19\r\n\r\n<html>log in</html>")], "web page"
  ),
  ("sends nothing", [.send(ok + "Content-Length: 0\r\n\r\n")], "empty"),
  ("sends no chunk", [.send(ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")], "empty"),
  ("tells no length", [.send(ok + "\r\nabc")], "how long"),
  ("tells two lengths", [.send(ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")], "attempts"),
  ("tells a negative length", [.send(ok + "Content-Length: -3\r\n\r\nabc")], "attempts"),
  ("tells a length beyond numbers", [.send(ok + "Content-Length: 99999999999999999999\r\n\r\nabc")], "attempts"),
  ("tells a length beyond reason", [.send(ok + "Content-Length: 9223372036854775807\r\n\r\nabc")], "at most"),
  ("ends early", [.send(ok + "Content-Length: 10\r\n\r\nabc")], "attempts"),
  ("sends broken chunks", [.send(ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n")], "attempts"),
  ("sends half a chunk", [.send(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc")], "attempts"),
  (
    "sends chunks for ever",
    [
      .send(ok + "Transfer-Encoding: chunked\r\n\r\n"),
      .sendForEver(Array("400\r\n\(String(repeating: "a", count: 1024))\r\n".utf8), pause: 0),
    ],
    "more bytes"
  ),
  ("packs the file", [.send(ok + "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc")], "gzip"),
  (
    "sends a part unasked",
    [.send("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/3\r\nContent-Length: 3\r\n\r\nabc")],
    "another part"
  ),
  (
    "has no such byte", [.send("HTTP/1.1 416 Range\r\nContent-Range: bytes */3\r\nContent-Length: 0\r\n\r\n")],
    "attempts"
  ),
]

@Test(arguments: hostile.indices) func hostileServersEndInOneLine(index: Int) throws {
  let (name, steps, part) = hostile[index]
  let server = try LoopbackServer { _ in steps }
  defer { server.stop() }
  let folder = try TemporaryFolder()
  let start = ContinuousClock.now
  #expect("\(name)") { try download(server, to: folder, patience: 2, largestSize: 50_000_000) } throws: { error in
    let text = "\(error)"
    return text.contains(part) && text.contains("127.0.0.1") && !text.contains("\n") || name == text
  }
  #expect(ContinuousClock.now - start < .seconds(30), "\(name)")
  #expect(try !files(folder).contains("file"), "\(name)")
}

/// The connection is cut after every byte of an exchange, once or every time.
@Test(arguments: [false, true]) func cutsAreSurvivedAtEveryByte(everyTime: Bool) throws {
  let bytes = Array("Once upon a time there was a cat.".utf8)
  let count = answer(Request.first, bytes).count
  for cut in 0..<count {
    let server = try LoopbackServer { request in
      let whole = answer(request, bytes)
      return [.send(Array(everyTime || request.number == 0 ? whole.prefix(cut) : whole[...]))]
    }
    defer { server.stop() }
    let folder = try TemporaryFolder()
    do {
      _ = try download(server, to: folder)
      #expect(file(folder) == bytes, "cut after \(cut)")
    } catch {
      #expect(everyTime && file(folder) == nil, "cut after \(cut): \(error)")
    }
  }
}

extension LoopbackServer.Request {
  /// A request for the whole file.
  fileprivate static let first = LoopbackServer.Request(number: 0, text: "GET /file HTTP/1.1")
}
