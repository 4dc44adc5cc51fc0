import Foundation
import Synchronization

/// A server on the loopback interface that answers as it is told, in HTTP or not.
public final class LoopbackServer: Sendable {
  public struct Request: Sendable {
    /// How many came before.
    public let number: Int
    private let lines: [String]

    public init(number: Int, text: String) {
      self.number = number
      lines = text.components(separatedBy: "\r\n")
    }

    public var path: String { lines[0].split(separator: " ").dropFirst().first.map(String.init) ?? "" }

    public func value(_ name: String) -> String? {
      lines.first { $0.lowercased().hasPrefix(name.lowercased() + ": ") }.map { String($0.dropFirst(name.count + 2)) }
    }

    /// The first byte that is asked for.
    public var offset: Int {
      value("Range").flatMap { Int($0.dropFirst("bytes=".count).dropLast()) } ?? 0
    }
  }

  /// What happens on a connection, one after the other; then it ends.
  public enum Step: Sendable {
    case send([UInt8])
    case wait(Double)
    /// Over and over, until the other side has enough.
    case sendForEver([UInt8], pause: Double)

    public static func send(_ text: String) -> Step { .send(Array(text.utf8)) }
  }

  public let port: Int
  private let socket: Int32
  private let respond: @Sendable (Request) -> [Step]
  private let received = Mutex<[Request]>([])
  private let isStopped = Atomic(false)

  public var requests: [Request] { received.withLock { $0 } }

  public init(_ respond: @escaping @Sendable (Request) -> [Step]) throws {
    self.respond = respond
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
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        Foundation.bind(socket, pointer, length) == 0 && getsockname(socket, pointer, &length) == 0
      }
    }
    guard isBound, listen(socket, 64) == 0 else { throw POSIXError(.EADDRNOTAVAIL) }
    port = Int(UInt16(bigEndian: address.sin_port))
    Thread.detachNewThread { [self] in
      while true {
        let connection = accept(socket, nil, nil)
        guard connection >= 0 else { return }
        Thread.detachNewThread { [self] in
          serve(connection)
          close(connection)
        }
      }
    }
  }

  public func stop() {
    isStopped.store(true, ordering: .relaxed)
    shutdown(socket, Int32(SHUT_RDWR))
    close(socket)
  }

  private func serve(_ connection: Int32) {
    var text = [UInt8]()
    var buffer = [UInt8](repeating: 0, count: 4096)
    while !String(decoding: text, as: UTF8.self).contains("\r\n\r\n") {
      let count = recv(connection, &buffer, buffer.count, 0)
      guard count > 0 else { return }
      text += buffer[..<count]
    }
    let request = received.withLock { requests in
      requests.append(Request(number: requests.count, text: String(decoding: text, as: UTF8.self)))
      return requests[requests.count - 1]
    }
    for step in respond(request) {
      switch step {
      case .send(let bytes): guard send(bytes, to: connection) else { return }
      case .wait(let seconds): wait(seconds)
      case .sendForEver(let bytes, let pause):
        while !isStopped.load(ordering: .relaxed), send(bytes, to: connection) { wait(pause) }
      }
    }
  }

  private func wait(_ seconds: Double) {
    let end = Date(timeIntervalSinceNow: seconds)
    while !isStopped.load(ordering: .relaxed), Date() < end { Thread.sleep(forTimeInterval: min(seconds, 0.05)) }
  }

  /// False where the other side is gone.
  private func send(_ bytes: [UInt8], to connection: Int32) -> Bool {
    #if os(Linux)
      let flags = Int32(MSG_NOSIGNAL)
    #else
      let flags: Int32 = 0
    #endif
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Foundation.send(connection, $0.baseAddress! + sent, bytes.count - sent, flags)
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }
}
