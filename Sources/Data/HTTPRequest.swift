internal import CCurl
internal import Foundation

/// One GET over HTTP or HTTPS, waited for on the calling thread.
///
/// Nothing is believed: whatever the server sends, or leaves out, ends in a complete answer or in an error, and no phase
/// of the exchange outlasts ``silence``.
struct HTTPRequest {
  let url: String
  let headers: [String]
  /// Seconds in which nothing may come.
  let silence: Double

  /// The most bytes that the lines of a head may have together.
  fileprivate static let headLimit = 1 << 17

  /// - Parameters:
  ///   - goesOn: asked at least once a second.
  ///   - receiveHead: is given the head of the answer; it throws where the body is not wanted.
  ///   - receiveBody: is given the body as it comes.
  /// - Returns: where the answer redirects to, if it does.
  /// - Throws: what the closures throw; ``DownloadError`` for an answer that breaks off or is none.
  func run(
    goesOn: () -> Bool, receiveHead: (HTTPHead) throws -> Void, receiveBody: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> String? {
    try withoutActuallyEscaping(goesOn) { goesOn in
      try withoutActuallyEscaping(receiveHead) { receiveHead in
        try withoutActuallyEscaping(receiveBody) { receiveBody in
          try perform(Exchange(silence: silence, goesOn: goesOn, receiveHead: receiveHead, receiveBody: receiveBody))
        }
      }
    }
  }

  private func perform(_ exchange: Exchange) throws -> String? {
    var outcome = nk_http_outcome()
    let lines = headers.map { strdup($0) }
    defer { for line in lines { free(line) } }
    let isInstalled = (lines.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { lines in
      url.withCString { url in
        var request = nk_http_request(
          url: url, headers: lines.baseAddress, context: Unmanaged.passUnretained(exchange).toOpaque(),
          receive_header: { Exchange.of($0).takeHeader(UnsafeRawBufferPointer(start: $1, count: $2)) },
          receive_body: { Exchange.of($0).takeBody(UnsafeRawBufferPointer(start: $1, count: $2)) },
          goes_on: { Exchange.of($0).goesOn() })
        return nk_http_get(&request, &outcome)
      }
    }
    guard isInstalled else {
      throw DownloadError("libcurl is not installed; install libcurl4 (Debian, Ubuntu) or curl (Homebrew)")
    }
    defer { free(outcome.redirection) }
    if let failure = exchange.failure { throw failure }
    guard outcome.is_complete else {
      let problem = withUnsafeBytes(of: &outcome.problem) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      throw DownloadError(problem, outcome.is_temporary ? .temporary : .permanent)
    }
    guard exchange.hasHead else { throw DownloadError("the answer broke off in its head", .temporary) }
    return outcome.redirection.map { String(cString: $0) }
  }
}

/// What libcurl's callbacks share.
private final class Exchange {
  private let silence: Duration
  private let mayGoOn: () -> Bool
  private let receiveHead: (HTTPHead) throws -> Void
  private let receiveBody: (UnsafeRawBufferPointer) throws -> Void
  private var head: HTTPHead?
  private var headBytes = 0
  private var lastSign = ContinuousClock.now
  /// Whether a head that counts came whole.
  private(set) var hasHead = false
  private(set) var failure: (any Error)?

  init(
    silence: Double, goesOn: @escaping () -> Bool, receiveHead: @escaping (HTTPHead) throws -> Void,
    receiveBody: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) {
    self.silence = .seconds(silence)
    mayGoOn = goesOn
    self.receiveHead = receiveHead
    self.receiveBody = receiveBody
  }

  static func of(_ context: UnsafeMutableRawPointer?) -> Exchange {
    Unmanaged.fromOpaque(context!).takeUnretainedValue()
  }

  func goesOn() -> Bool {
    attempt {
      guard ContinuousClock.now - lastSign < silence else {
        throw DownloadError("the server went silent", .temporary)
      }
      guard mayGoOn() else { throw DownloadError("the server is too slow", .temporary) }
    }
  }

  func takeHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
    attempt {
      // Lines behind the body are not part of the head.
      if hasHead { return }
      lastSign = .now
      headBytes += bytes.count
      guard headBytes <= HTTPRequest.headLimit else { throw DownloadError("the answer's head does not end") }
      let line = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
      if line.isEmpty {
        guard let head, !head.isInterim else { return }
        hasHead = true
        try receiveHead(head)
      } else if let begun = HTTPHead(statusLine: line) {
        head = begun
      } else {
        head?.append(line)
      }
    }
  }

  func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
    attempt {
      lastSign = .now
      try receiveBody(bytes)
    }
  }

  private func attempt(_ body: () throws -> Void) -> Bool {
    do {
      try body()
      return true
    } catch {
      failure = error
      return false
    }
  }
}
