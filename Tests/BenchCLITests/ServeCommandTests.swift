import Foundation
import NanoData
import NanoModels
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// `bench-cli serve` with two small models on a port of its own, until nobody needs it.
private final class Server {
  private let folder: TemporaryFolder
  private let process = Process()
  let address: String

  init() throws {
    let folder = try TemporaryFolder()
    self.folder = folder
    for (index, name) in ["one", "two"].enumerated() {
      var generator = RandomGenerator(seed: UInt64(index) + 4)
      let model = try Decoder(
        .nanoGPT2(vocabularySize: 420, contextLength: 32, width: 16, layerCount: 1, headCount: 2), using: &generator)
      try ModelFolder.save(
        model, tokenizer: SentencePieceTokenizer(model: Fixture.data("sentencepiece/tokenizer.model")),
        to: "\(folder.path)/\(name)")
    }
    process.executableURL = CommandResult.executable
    process.arguments = ["serve", "--port", "0"] + ["one", "two"].flatMap { ["--model", "\(folder.path)/\($0)"] }
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    address = try #require(line.firstMatch(of: #/http://[0-9.:]+/#)).output.description
  }

  deinit {
    process.terminate()
    process.waitUntilExit()
  }

  /// The model's folder.
  func model(_ name: String) -> String { "\(folder.path)/\(name)" }

  func send(
    _ path: String, _ body: String? = nil, type: String = "application/json"
  ) async throws -> (status: Int, text: String) {
    var request = URLRequest(url: try #require(URL(string: address + path)))
    if let body {
      request.httpMethod = "POST"
      request.httpBody = Data(body.utf8)
      request.setValue(type, forHTTPHeaderField: "Content-Type")
    }
    let (data, response) = try await URLSession.shared.data(for: request)
    return (try #require(response as? HTTPURLResponse).statusCode, String(decoding: data, as: UTF8.self))
  }

  /// What `/v1/completions` answers.
  func complete(_ body: String) async throws -> JSONObject {
    let (status, text) = try await send("/v1/completions", body)
    #expect(status == 200, "\(text)")
    guard case .object(let object) = try JSONValue(parsing: Data(text.utf8)) else {
      throw ConfigurationError("no object: \(text)")
    }
    return object
  }
}

extension JSONObject {
  fileprivate func object(_ key: String) -> JSONObject? {
    if case .object(let object)? = self[key] { object } else { nil }
  }

  /// The first choice of a completion.
  fileprivate var choice: JSONObject? {
    if case .array(let choices)? = self["choices"], case .object(let choice)? = choices.first { choice } else { nil }
  }

  fileprivate var text: String? { if case .string(let text)? = choice?["text"] { text } else { nil } }
}

@Test func completionsAreWhatGenerateWrites() async throws {
  let server = try Server()
  for (name, settings, flags) in [
    ("one", #""temperature": 0"#, ["--temperature", "0"]),
    ("two", #""seed": 5, "top_p": 0.9"#, ["--seed", "5", "--top-p", "0.9"]),
  ] {
    let generated = try CommandResult(
      ["generate", "--model", server.model(name), "--prompt", "Kim", "--tokens", "40"] + flags)
    let body = #""model": "\#(name)", "prompt": "Kim", "max_tokens": 40, \#(settings)"#
    let answer = try await server.complete("{\(body)}")
    let text = try #require(answer.text)
    #expect("Kim" + text + "\n" == generated.output)
    #expect(answer.choice?["finish_reason"] == "length" && answer["model"] == .string(name))
    #expect(answer.object("usage")?["completion_tokens"] == 40)
    // The same in events.
    let stream = try await server.send("/v1/completions", #"{"stream": true, \#(body)}"#)
    let events = stream.text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
    #expect(events.last == "data: [DONE]")
    let parts = try events.dropLast().map { event -> String in
      guard case .object(let object) = try JSONValue(parsing: Data(event.dropFirst("data: ".count).utf8)) else {
        throw ConfigurationError("no object: \(event)")
      }
      return try #require(object.text)
    }
    #expect(parts.joined() == text)
    // Up to a text in the middle.
    let stop = String(text.dropFirst(7).prefix(3))
    let stopped = try await server.complete(
      String(
        decoding: JSONValue.object(JSONObject([.init(key: "stop", value: .string(stop))])).data.dropLast(),
        as: UTF8.self)
        + ", \(body)}")
    #expect(stopped.text == text.components(separatedBy: stop)[0])
    #expect(stopped.choice?["finish_reason"] == "stop")
  }
}

@Test func probabilitiesAreOfTheDrawnTokens() async throws {
  let server = try Server()
  let answer = try await server.complete(#"{"prompt": "Kim", "max_tokens": 6, "temperature": 0, "logprobs": 2}"#)
  let probabilities = try #require(answer.choice?.object("logprobs"))
  guard case .array(let own)? = probabilities["token_logprobs"], case .array(let best)? = probabilities["top_logprobs"]
  else { throw ConfigurationError("no probabilities") }
  #expect(own.count == 6 && best.count == 6)
  for (own, best) in zip(own, best) {
    guard case .number(let own) = own, case .object(let best) = best else { throw ConfigurationError("no numbers") }
    // The likeliest is taken at temperature 0.
    #expect(best.members.first?.value == .number(own) && own < 0 && own > -20)
  }
}

@Test func requestsThatCannotBeAnsweredAreRefusedByName() async throws {
  let server = try Server()
  for (body, status, reason) in [
    ("", 400, "no value"), ("[]", 400, "no JSON object"), (#"{"prompt": 7}"#, 400, "'prompt' is 7"),
    (#"{"prompt": [1, 420]}"#, 400, "outside the vocabulary"), (#"{"max_tokens": 0}"#, 400, "'max_tokens' is 0"),
    (#"{"max_tokens": 5000}"#, 400, "'max_tokens' is 5000"), (#"{"temperature": -1}"#, 400, "'temperature'"),
    (#"{"n": 2}"#, 400, "'n' is 2"), (#"{"messages": []}"#, 400, "'messages' is not known"),
    (#"{"stop": ["", "a"]}"#, 400, "'stop'"), (#"{"logprobs": 2, "stream": true}"#, 400, "'logprobs'"),
    (#"{"logprobs": 2, "max_tokens": 40}"#, 400, "within the context of 32"),
    (#"{"model": "three"}"#, 404, "there is no model 'three'"),
    (#"{"prompt": "\#(String(repeating: "a", count: 1 << 18))"}"#, 413, "larger than 262144"),
  ] {
    let answer = try await server.send("/v1/completions", body)
    #expect(answer.status == status && answer.text.contains(reason), "\(answer)")
    #expect(answer.text.contains("invalid_request_error"))
  }
  #expect(try await server.send("/v1/completions", "{}", type: "text/plain").status == 415)
  #expect(try await server.send("/v1/completions").status == 405)
  #expect(try await server.send("/v1/chat/completions", "{}").status == 404)
  #expect(try await server.send("/v1/models").text.contains(#""id":"two""#))
  #expect(try await server.send("/").text.contains("<title>nano-kimi</title>"))
}

@Test func portsThatAreTakenAreTold() throws {
  let server = try Server()
  let port = try #require(server.address.split(separator: ":").last.map(String.init))
  let other = try CommandResult(["serve", "--model", server.model("one"), "--port", port])
  #expect(other.status == 1 && other.error.contains("cannot listen on 127.0.0.1:\(port)"), "\(other.error)")
}
