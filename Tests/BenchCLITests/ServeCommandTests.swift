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

/// A connection whose answer is read as it comes.
private final class Connection: Sendable {
  private let socket: Int32

  init(port: UInt16) throws {
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
    address.sin_port = port.bigEndian
    let isConnected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    guard isConnected else { throw POSIXError(.ECONNREFUSED) }
  }

  func send(_ text: String) {
    let bytes = Array(text.utf8)
    #expect(Foundation.send(socket, bytes, bytes.count, 0) == bytes.count)
  }

  /// What comes next; nothing at the end, or where it is not waited for.
  func read(waiting: Bool = true) -> String {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(socket, &buffer, buffer.count, waiting ? 0 : Int32(MSG_DONTWAIT))
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
  }

  /// All that comes, or has come.
  func rest(waiting: Bool = true) -> String {
    var text = ""
    while case let part = read(waiting: waiting), !part.isEmpty { text += part }
    return text
  }

  /// Processes that other tests have begun may have the socket too: closing it is not enough.
  deinit {
    shutdown(socket, Int32(SHUT_RDWR))
    close(socket)
  }
}

/// `bench-cli serve` with two small models on a port of its own, until nobody needs it.
///
/// All of it is set at the beginning, so tasks may share it.
private final class Server: @unchecked Sendable {
  private let folder: TemporaryFolder
  private let process = Process()
  let address: String

  init(width: Int = 16, _ flags: String...) throws {
    let folder = try TemporaryFolder()
    self.folder = folder
    for (index, name) in ["one", "two"].enumerated() {
      var generator = RandomGenerator(seed: UInt64(index) + 4)
      let model = try Decoder(
        .nanoGPT2(vocabularySize: 420, contextLength: 32, width: width, layerCount: width / 16, headCount: 2),
        using: &generator)
      try ModelFolder.save(
        model, tokenizer: SentencePieceTokenizer(model: Fixture.data("sentencepiece/tokenizer.model")),
        to: "\(folder.path)/\(name)")
    }
    process.executableURL = CommandResult.executable
    process.arguments =
      ["serve", "--port", "0"] + ["one", "two"].flatMap { ["--model", "\(folder.path)/\($0)"] } + flags
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

  /// A completion that comes while it is written.
  func open(_ body: String) throws -> Connection {
    let connection = try Connection(port: try #require(address.split(separator: ":").last.flatMap { UInt16($0) }))
    connection.send(
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    return connection
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

@Test func completionsWrittenAtOnceAreThoseWrittenAlone() async throws {
  let server = try Server()
  let bodies = (0..<8).map { index in
    let prompt = String(repeating: "Kim found a kite. ", count: index)
    let settings = index == 3 ? #""temperature": 0"# : #""seed": \#(index), "temperature": 1.5, "logprobs": 1"#
    let model = index % 3 == 0 ? "one" : "two"
    return #"{"model": "\#(model)", "prompt": "\#(prompt)", "max_tokens": \#(20 + 9 * index), \#(settings)}"#
  }
  var alone: [JSONValue?] = []
  for body in bodies { alone.append(try await server.complete(body)["choices"]) }
  let together = try await withThrowingTaskGroup(of: (Int, JSONValue?).self) { group in
    for (index, body) in bodies.enumerated() { group.addTask { (index, try await server.complete(body)["choices"]) } }
    return try await group.reduce(into: [JSONValue?](repeating: nil, count: bodies.count)) { $0[$1.0] = $1.1 }
  }
  #expect(together == alone && Set(alone).count == bodies.count)
}

@Test func whatIsBeyondTheQueueIsRefused() async throws {
  let server = try Server(width: 192, "--batch", "1", "--queue", "0")
  let connection = try server.open(longest())
  #expect(connection.read().contains("200"))
  let refused = try server.open("{}").rest()
  #expect(refused.contains("503") && refused.contains("1 completions are being written and 0 wait"), "\(refused)")
  // The other model has a queue of its own.
  #expect(try await server.complete(#"{"model": "two", "max_tokens": 1}"#).text != nil)
  withExtendedLifetime(connection) {}
}

/// Of a model without training, the likeliest tokens do not end a text.
private func longest(_ count: Int = 4096) -> String {
  #"{"max_tokens": \#(count), "stream": true, "temperature": 0}"#
}

/// Two write in step, and a third waits for a place: it gets that of the one that goes away, so it has ended long before
/// the other has.
@Test func whoGoesAwayFreesAPlace() throws {
  let server = try Server(width: 192, "--batch", "2")
  var gone: Connection? = try server.open(longest())
  let other = try server.open(longest())
  for connection in [gone, other] { #expect(connection?.read().contains("200") == true) }
  let third = try server.open(longest(512))
  gone = nil
  let text = third.rest()
  #expect(text.contains("[DONE]") && text.contains(#""finish_reason":"length""#))
  #expect(!other.rest(waiting: false).contains("[DONE]"))
}

/// A page as it is served, in a browser: two models continue what is written in it.
@Test(.enabled(if: Browser.isInstalled, "no Chromium is installed"))
func thePageShowsTwoModelsSideBySide() async throws {
  let server = try Server()
  let empty = try Browser.open(address: server.address)
  #expect(empty.console == [] && empty.document.contains("<output></output></article></section>"))
  // The browser hands out the page once it is loaded: an image is held back until the models have written.
  let holding = try LoopbackServer { _ in [.wait(3600)] }
  defer { holding.stop() }
  let script = """
    const press = setInterval(() => {
      if (section.children.length < 2) return;
      clearInterval(press);
      form.prompt.value = "Kim <b>";
      form.tokens.value = 20;
      form.requestSubmit();
      const look = setInterval(() => {
        if (!form.stop.disabled) return;
        clearInterval(look);
        const texts = [...document.querySelectorAll("output")].map(output => output.textContent);
        document.body.dataset.texts = encodeURIComponent(texts.join("|"));
        document.querySelector("img").src = "data:,";
      }, 20);
    }, 20);
    """
  let folder = try TemporaryFolder()
  let page = try await server.send("/").text.replacing("<style>", with: "<base href='\(server.address)'><style>")
  try "\(page)<img src='http://127.0.0.1:\(holding.port)/'><script>\(script)</script>"
    .write(toFile: "\(folder.path)/page.html", atomically: true, encoding: .utf8)
  // A copy of the page may ask the server as the page itself may.
  let written = try Browser.open(address: "file://\(folder.path)/page.html", flags: ["--disable-web-security"])
  #expect(written.console == [])
  var expected: [String] = []
  for name in ["one", "two"] {
    let answer = try await server.complete(
      #"{"model": "\#(name)", "prompt": "Kim <b>", "max_tokens": 20, "temperature": 0.8, "seed": 1}"#)
    expected.append("Kim <b>" + (answer.text ?? ""))
  }
  let texts = written.document.firstMatch(of: #/data-texts="(?<texts>[^"]*)"/#)?.texts
  #expect(texts.map { $0.removingPercentEncoding } == expected.joined(separator: "|"))
}

@Test func requestsThatCannotBeAnsweredAreRefusedByName() async throws {
  let server = try Server()
  for (body, status, reason) in [
    ("", 400, "no value"), ("[]", 400, "no JSON object"), (#"{"prompt": 7}"#, 400, "'prompt' is 7"),
    (#"{"prompt": [1, 420]}"#, 400, "outside the vocabulary"), (#"{"max_tokens": 0}"#, 400, "'max_tokens' is 0"),
    (#"{"max_tokens": 5000}"#, 400, "'max_tokens' is 5000"), (#"{"temperature": -1}"#, 400, "'temperature'"),
    (#"{"n": 2}"#, 400, "'n' is 2"), (#"{"messages": []}"#, 400, "'messages' is not known"),
    (#"{"stop": ["", "a"]}"#, 400, "'stop'"), (#"{"logprobs": 2, "stream": true}"#, 400, "'logprobs'"),
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
