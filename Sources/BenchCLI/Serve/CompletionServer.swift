import FlyingFox
import FlyingSocks
import Foundation
import NanoModels

// FlyingFox has another.
private typealias JSONValue = NanoModels.JSONValue

/// Models behind a part of OpenAI's interface: `/v1/models`, `/v1/completions`, and a page at `/`.
struct CompletionServer: HTTPHandler {
  let models: [ServedModel]
  /// Whether only programs of this machine are answered.
  let isLocal: Bool
  private let queue = CompletionQueue()

  init(_ models: [ServedModel], isLocal: Bool) {
    self.models = models
    self.isLocal = isLocal
  }

  func handleRequest(_ request: HTTPRequest) async -> HTTPResponse {
    do {
      return try await response(to: request)
    } catch let error as RequestError {
      return failure(error)
    } catch {
      return failure(RequestError(status: 500, message: "\(error)"))
    }
  }

  private func response(to request: HTTPRequest) async throws -> HTTPResponse {
    // A page of another site that has its name point here is none of this machine.
    guard !isLocal || isOfThisMachine(request.headers[.host]) else {
      throw RequestError(status: 403, message: "the host '\(request.headers[.host] ?? "")' is not this machine")
    }
    switch (request.path, request.method) {
    case ("/", .GET):
      return HTTPResponse(statusCode: .ok, headers: Self.headers("text/html; charset=utf-8"), body: ServerPage.html)
    case ("/v1/models", .GET):
      let list: JSONValue = ["object": "list", "data": .array(models.map { entry($0) })]
      return json(list)
    case ("/v1/completions", .POST): return try await complete(request)
    case ("/", _), ("/v1/models", _), ("/v1/completions", _):
      throw RequestError(status: 405, message: "\(request.method.rawValue) is not offered for \(request.path)")
    default:
      if request.method == .GET, let model = models.first(where: { request.path == "/v1/models/\($0.name)" }) {
        return json(entry(model))
      }
      throw RequestError(
        status: 404, message: "there is no \(request.path); what there is: /v1/completions, /v1/models, and a page at /"
      )
    }
  }

  private func isOfThisMachine(_ host: String?) -> Bool {
    guard let host else { return false }
    let name = host.wholeMatch(of: #/(.*?)(:[0-9]+)?/#)?.1 ?? ""
    return ["localhost", "127.0.0.1", "[::1]"].contains(String(name))
  }

  private func entry(_ model: ServedModel) -> JSONValue {
    ["id": .string(model.name), "object": "model", "created": 0, "owned_by": "nano-kimi"]
  }

  // MARK: Completions

  private func complete(_ request: HTTPRequest) async throws -> HTTPResponse {
    // What a form of another site cannot send.
    guard request.headers[.contentType]?.lowercased().hasPrefix("application/json") == true else {
      throw RequestError(status: 415, message: "the body must be of type application/json")
    }
    let asked = try CompletionRequest(try await body(of: request))
    guard let model = models.first(where: { $0.name == asked.modelName ?? models[0].name }) else {
      let names = models.map { "'\($0.name)'" }.joined(separator: ", ")
      throw RequestError(status: 404, message: "there is no model '\(asked.modelName ?? "")'; there is \(names)")
    }
    let parts = try queue.parts(of: asked, by: model)
    let id = "cmpl-\(UUID().uuidString)"
    if asked.streams {
      let events = EventStream(parts) { part in
        switch part {
        case .text(let text): [chunk(id, model, choices: [choice(text)])]
        case .end(let completion):
          [chunk(id, model, choices: [choice("", finishReason: completion.finishReason)])]
            + (asked.streamsUsage ? [chunk(id, model, choices: [], usage: usage(completion))] : [])
        }
      }
      return HTTPResponse(
        statusCode: .ok, headers: Self.headers("text/event-stream"), body: HTTPBodySequence(from: events))
    }
    for try await case .end(let completion) in parts {
      let answer = choice(
        completion.text, finishReason: completion.finishReason, probabilities: completion.probabilities)
      return json(chunk(id, model, choices: [answer], usage: usage(completion)))
    }
    throw RequestError(status: 500, message: "the completion ended without an end")
  }

  private func body(of request: HTTPRequest) async throws -> Data {
    let tooLarge = RequestError(
      status: 413, message: "the body is larger than \(CompletionRequest.largestBody) bytes")
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > CompletionRequest.largestBody {
      throw tooLarge
    }
    var body = Data()
    for try await part in request.bodySequence {
      body.append(part)
      guard body.count <= CompletionRequest.largestBody else { throw tooLarge }
    }
    return body
  }

  private func chunk(
    _ id: String, _ model: ServedModel, choices: [JSONValue], usage: JSONValue = nil
  ) -> JSONValue {
    [
      "id": .string(id), "object": "text_completion", "created": .integer(Int(Date().timeIntervalSince1970)),
      "model": .string(model.name), "choices": .array(choices), "usage": usage,
    ]
  }

  private func choice(_ text: String, finishReason: String? = nil, probabilities: JSONValue = nil) -> JSONValue {
    [
      "index": 0, "text": .string(text), "logprobs": probabilities,
      "finish_reason": finishReason.map { .string($0) } ?? nil,
    ]
  }

  private func usage(_ completion: ServedModel.Completion) -> JSONValue {
    [
      "prompt_tokens": .integer(completion.prompt.count), "completion_tokens": .integer(completion.tokens.count),
      "total_tokens": .integer(completion.prompt.count + completion.tokens.count),
    ]
  }

  // MARK: Responses

  private static func headers(_ type: String) -> HTTPHeaders {
    [.contentType: type, .cacheControl: "no-store", HTTPHeader("X-Content-Type-Options"): "nosniff"]
  }

  private func json(_ value: JSONValue) -> HTTPResponse {
    HTTPResponse(statusCode: .ok, headers: Self.headers("application/json"), body: value.data)
  }

  private func failure(_ error: RequestError) -> HTTPResponse {
    HTTPResponse(
      statusCode: HTTPStatusCode(error.status, phrase: error.status < 500 ? "Client Error" : "Server Error"),
      headers: Self.headers("application/json"), body: error.body)
  }
}

/// Parts of a completion as server-sent events, `[DONE]` behind the last.
private struct EventStream: AsyncBufferedSequence {
  typealias Element = UInt8

  private let parts: AsyncThrowingStream<CompletionQueue.Part, any Error>
  private let events: @Sendable (CompletionQueue.Part) -> [JSONValue]

  init(
    _ parts: AsyncThrowingStream<CompletionQueue.Part, any Error>,
    events: @escaping @Sendable (CompletionQueue.Part) -> [JSONValue]
  ) {
    self.parts = parts
    self.events = events
  }

  func makeAsyncIterator() -> Iterator { Iterator(parts: parts.makeAsyncIterator(), events: events) }

  struct Iterator: AsyncBufferedIteratorProtocol {
    fileprivate var parts: AsyncThrowingStream<CompletionQueue.Part, any Error>.Iterator
    fileprivate let events: @Sendable (CompletionQueue.Part) -> [JSONValue]
    private var pending: [UInt8] = []
    private var hasEnded = false

    fileprivate init(
      parts: AsyncThrowingStream<CompletionQueue.Part, any Error>.Iterator,
      events: @escaping @Sendable (CompletionQueue.Part) -> [JSONValue]
    ) {
      self.parts = parts
      self.events = events
    }

    mutating func next() async throws -> UInt8? { try await nextBuffer(suggested: 1)?.first }

    mutating func nextBuffer(suggested count: Int) async throws -> [UInt8]? {
      if pending.isEmpty, !hasEnded {
        if let part = try await parts.next() {
          for event in events(part) { append(event.data) }
        } else {
          append(Data("[DONE]".utf8))
          hasEnded = true
        }
      }
      guard !pending.isEmpty else { return nil }
      defer { pending.removeFirst(Swift.min(count, pending.count)) }
      return Array(pending.prefix(count))
    }

    private mutating func append(_ data: Data) { pending += Array("data: ".utf8) + data + Array("\n\n".utf8) }
  }
}
