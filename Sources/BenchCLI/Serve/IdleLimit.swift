import FlyingSocks

/// Waits for what clients send or take, but not for ever: a connection on which nothing moves ends.
struct IdleLimit: AsyncSocketPool {
  let pool: any AsyncSocketPool
  let limit: Duration

  func prepare() async throws { try await pool.prepare() }

  func run() async throws { try await pool.run() }

  func suspendSocket(_ socket: Socket, untilReadyFor events: Socket.Events) async throws {
    // The socket that listens has no peer: it waits as long as nobody comes.
    guard (try? socket.remotePeer()) != nil else {
      return try await pool.suspendSocket(socket, untilReadyFor: events)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await pool.suspendSocket(socket, untilReadyFor: events) }
      group.addTask {
        try await Task.sleep(for: limit)
        throw SocketError.disconnected
      }
      defer { group.cancelAll() }
      _ = try await group.next()
    }
  }
}
