internal import Foundation
internal import Synchronization

#if canImport(FoundationNetworking)
  internal import FoundationNetworking
#endif

/// One request, waited for on the calling thread.
final class HTTPTransfer: NSObject, URLSessionDataDelegate {
  private struct State {
    var response: HTTPURLResponse?
    var error: (any Error)?
    var file: FileHandle?
    var written = 0
  }

  private let state = Mutex(State())
  private let isDone = DispatchSemaphore(value: 0)
  private let path: String?
  private let offset: Int
  private let progress: @Sendable (Int) -> Void

  private init(path: String?, offset: Int, progress: @escaping @Sendable (Int) -> Void) {
    self.path = path
    self.offset = offset
    self.progress = progress
  }

  // MARK: Requests

  /// The size and SHA-256 of a file, as far as the server tells.
  static func describe(_ source: URL) throws -> (size: Int?, sha256: String?) {
    var request = URLRequest(url: source)
    request.httpMethod = "HEAD"
    let response = try HTTPTransfer(path: nil, offset: 0, progress: { _ in }).run(request)
    guard (200..<400).contains(response.statusCode) else { throw refusal(source, response) }
    func header(_ name: String) -> String? { response.value(forHTTPHeaderField: name) }
    let tag = header("X-Linked-ETag")?.trimmingCharacters(in: CharacterSet(charactersIn: "\"W/"))
    let hash = tag.flatMap { $0.count == 64 && $0.allSatisfy(\.isHexDigit) ? $0 : nil }
    // A redirection's own length says nothing about the file.
    let length = response.statusCode < 300 ? header("Content-Length").flatMap { Int($0) } : nil
    return (header("X-Linked-Size").flatMap { Int($0) } ?? length, hash)
  }

  /// Adds what follows `offset` bytes to a file; from the start when the server ignores the range.
  static func receive(
    _ source: URL, into path: String, from offset: Int, progress: @escaping @Sendable (Int) -> Void
  ) throws {
    var request = URLRequest(url: source)
    if offset > 0 { request.setValue("bytes=\(offset)-", forHTTPHeaderField: "Range") }
    let response = try HTTPTransfer(path: path, offset: offset, progress: progress).run(request)
    if response.statusCode == 416 {  // the partial file is longer than the file: begin again
      try? FileManager.default.removeItem(atPath: path)
      throw DownloadError("\(source): the server has no byte \(offset)", isTemporary: true)
    }
    guard response.statusCode == 200 || response.statusCode == 206 else {
      throw refusal(source, response)
    }
  }

  private static func refusal(_ source: URL, _ response: HTTPURLResponse) -> DownloadError {
    let code = response.statusCode
    return DownloadError(
      "\(source): the server answers \(code)", isTemporary: code == 429 || code >= 500)
  }

  private func run(_ request: URLRequest) throws -> HTTPURLResponse {
    let configuration = URLSessionConfiguration.ephemeral
    configuration.timeoutIntervalForRequest = 60
    configuration.requestCachePolicy = .reloadIgnoringLocalCacheData
    let session = URLSession(configuration: configuration, delegate: self, delegateQueue: nil)
    session.dataTask(with: request).resume()
    isDone.wait()
    session.finishTasksAndInvalidate()
    let (response, error) = state.withLock { state in
      try? state.file?.close()
      return (state.response, state.error)
    }
    if let error = error as? FileWriteError { throw error }
    let source = request.url?.absoluteString ?? ""
    if let error {
      throw DownloadError("\(source): \(error.localizedDescription)", isTemporary: true)
    }
    guard let response else {
      throw DownloadError("\(source): no answer over HTTP", isTemporary: true)
    }
    return response
  }

  // MARK: Delegate

  /// What describes a file is in the headers of the redirection, not behind it.
  func urlSession(
    _ session: URLSession, task: URLSessionTask,
    willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest,
    completionHandler: @escaping @Sendable (URLRequest?) -> Void
  ) {
    let describes = task.originalRequest?.httpMethod == "HEAD"
    let isDescribed = response.value(forHTTPHeaderField: "X-Linked-Size") != nil
    completionHandler(describes && isDescribed ? nil : request)
  }

  func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void
  ) {
    state.withLock { state in
      state.response = response as? HTTPURLResponse
      guard let path, let code = state.response?.statusCode, code == 200 || code == 206 else {
        return
      }
      if code == 200 || !FileManager.default.fileExists(atPath: path) {
        guard FileManager.default.createFile(atPath: path, contents: nil) else {
          state.error = FileWriteError(path, "cannot be created")
          return
        }
      }
      state.file = FileHandle(forWritingAtPath: path)
      state.written = Int((try? state.file?.seekToEnd()) ?? 0)
      if state.file == nil { state.error = FileWriteError(path, "cannot be written") }
    }
    completionHandler(state.withLock { $0.error == nil } ? .allow : .cancel)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    let written: Int? = state.withLock { state in
      guard let file = state.file, let path else { return nil }
      do {
        try file.write(contentsOf: data)
      } catch {
        state.error = FileWriteError(path, "cannot be written")
        dataTask.cancel()
        return nil
      }
      state.written += data.count
      return state.written
    }
    if let written { progress(written) }
  }

  func urlSession(
    _ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?
  ) {
    state.withLock { state in
      if state.error == nil { state.error = error }
      if state.response == nil { state.response = task.response as? HTTPURLResponse }
    }
    isDone.signal()
  }
}
