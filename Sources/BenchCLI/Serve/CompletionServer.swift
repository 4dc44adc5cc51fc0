import FlyingFox
import Foundation
import NanoModels

// FlyingFox has another.
private typealias JSONValue = NanoModels.JSONValue

/// Models behind a part of OpenAI's interface: `/v1/models`, `/v1/completions`, and a page at `/`.
struct CompletionServer: HTTPHandler {
  let models: [ServedModel]
  /// Whether only programs of this machine are answered.
  let isLocal: Bool

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
    let parts = try model.parts(of: asked)
    guard let first = try await parts.first(where: { _ in true }) else {
      throw RequestError(status: 500, message: "the completion ended without an end")
    }
    let id = "cmpl-\(UUID().uuidString)"
    let heartbeat = Heartbeat()
    let body = CompletionBody(first: first, rest: parts) { part in
      switch (part, asked.streams) {
      case (.text(let text), true): event(chunk(id, model, choices: [choice(text)]))
      case (.text, false): heartbeat.next()
      case (.end(let completion), true):
        event(chunk(id, model, choices: [choice("", finishReason: completion.finishReason)]))
          + (asked.streamsUsage ? event(chunk(id, model, choices: [], usage: usage(completion))) : Data())
          + Data("data: [DONE]\n\n".utf8)
      case (.end(let completion), false):
        chunk(
          id, model,
          choices: [
            choice(
              completion.text, finishReason: completion.finishReason,
              probabilities: completion.probabilities?.json ?? nil)
          ],
          usage: usage(completion)
        ).data
      }
    }
    return HTTPResponse(
      statusCode: .ok, headers: Self.headers(asked.streams ? "text/event-stream" : "application/json"),
      body: HTTPBodySequence(from: body))
  }

  /// A server-sent event.
  private func event(_ value: JSONValue) -> Data { Data("data: ".utf8) + value.data + Data("\n\n".utf8) }

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

  private func usage(_ completion: Completion) -> JSONValue {
    [
      "prompt_tokens": .integer(completion.promptCount), "completion_tokens": .integer(completion.tokenCount),
      "total_tokens": .integer(completion.promptCount + completion.tokenCount),
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
