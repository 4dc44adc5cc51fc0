import Foundation
import NanoTestSupport
import Testing

/// `runs/latest` is the newest run, and what has no model named takes that one's best.
@Test func theNewestRunIsTakenByDefault() throws {
  let folder = try TemporaryFolder()
  func run(_ arguments: [String]) throws -> CommandResult {
    try CommandResult(arguments, shell: "cd '\(folder.path)'")
  }
  func link() throws -> String {
    try FileManager.default.destinationOfSymbolicLink(atPath: folder.path + "/runs/latest")
  }
  for command in [["generate"], ["evaluate"], ["export", "--out", "exported"]] {
    let none = try run(command)
    #expect(none.status == 1 && none.error.contains("runs/latest: no such run"), "\(none.error)")
    #expect(none.error.split(separator: "\n").count == 1)
  }
  #expect(try run(["compare", "--quiet"] + small).status == 0)
  let first = try link()
  #expect(first.hasSuffix("-compare") && !first.contains("/"))
  let evaluated = try run(["evaluate", "--json"])
  #expect(evaluated.status == 0 && evaluated.error.contains("Model: runs/\(first)/nano"), "\(evaluated.error)")
  #expect(evaluated.error.contains("the best of its run"))

  #expect(try run(["train", "--quiet", "--out", "runs/named"] + small).status == 0)
  #expect(try link() == "named")
  // A run that lies elsewhere has a name that is known.
  #expect(try run(["train", "--quiet", "--out", "elsewhere"] + small).status == 0)
  #expect(try link() == "named")
  let written = try run(["sample", "--tokens", "5", "--model", "elsewhere"])
  #expect(written.status == 0 && written.error.contains("Model: elsewhere/nanogpt\n"), "\(written.error)")

  let longer = try run(["compare", "--resume", "runs/latest", "--iterations", "25"])
  #expect(longer.status == 0 && longer.output.contains("models: runs/named"), "\(longer.error)")
}
