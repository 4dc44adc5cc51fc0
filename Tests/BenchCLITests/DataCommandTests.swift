import Foundation
import NanoTestSupport
import Testing

private func fetch(
  _ body: String, _ fields: String = "", command: [String] = ["tinystories", "--split", "valid"],
  arguments: [String] = []
) throws -> (CommandResult, left: [String]) {
  let server = try LoopbackServer { _ in
    [.send("HTTP/1.1 200 OK\r\n\(fields)Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n" + body)]
  }
  defer { server.stop() }
  let folder = try TemporaryFolder()
  let result = try CommandResult(
    ["data"] + command + ["--url", "http://127.0.0.1:\(server.port)", "--out", folder.path] + arguments)
  return (result, try FileManager.default.contentsOfDirectory(atPath: folder.path))
}

private let story = "Once upon a time there was a cat.\n<|endoftext|>\n"

@Test func storiesOfAnotherAddressAreFetchedAndSaidToBeUnchecked() throws {
  let (result, left) = try fetch(story)
  #expect(result.status == 0 && left == ["TinyStoriesV2-GPT4-valid.txt"], "\(result.error)")
  #expect(result.output.contains("could not be checked"))
}

/// Under the name that the character study reads by default.
@Test func shakespeareBecomesTheTextOfTheStudy() throws {
  let (result, left) = try fetch(
    "First Citizen:\nBefore we proceed any further, hear me speak.\n", command: ["shakespeare"])
  #expect(result.status == 0 && left == ["input.txt"], "\(result.error)")
}

/// A captive portal's page, whatever it calls itself, and other things that are not stories.
@Test(arguments: ["Content-Type: text/html\r\n", "Content-Type: text/plain\r\n", ""])
func whatIsNoStoriesIsNotPutInPlace(fields: String) throws {
  for command in [["tinystories", "--split", "valid"], ["shakespeare"]] {
    for body in [
      "<html>log in</html>", "\r\n  <!DOCTYPE html>", "\u{FEFF}<HTML>", "{\"error\": \"quota\"}", "",
      "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1115394\n",
    ] {
      let (result, left) = try fetch(body, fields, command: command)
      #expect(result.status == 1 && result.error.split(separator: "\n").count == 1, "\(body): \(result.error)")
      #expect(result.error.hasPrefix("bench-cli: error: http://127.0.0.1") && left.isEmpty, "\(body): \(left)")
    }
  }
}

@Test func aHashOfTheCommandLineIsKept() throws {
  let (wrong, left) = try fetch(story, arguments: ["--sha256", String(repeating: "0", count: 64)])
  #expect(wrong.status == 1 && wrong.error.contains("SHA-256") && left.isEmpty)
  let (short, _) = try fetch(story, arguments: ["--sha256", "abc"])
  #expect(short.status != 0 && short.error.contains("64 hexadecimal digits"))
}
