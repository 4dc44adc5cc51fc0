import Foundation
import NanoTestSupport
import Testing

/// Whether `script` of util-linux is there to make a terminal.
private var hasTerminalMaker: Bool {
  #if os(Linux)
    FileManager.default.isExecutableFile(atPath: "/usr/bin/script")
  #else
    false
  #endif
}

/// On a terminal (one that `script` makes) a bar is redrawn in place.
@Test(.enabled(if: hasTerminalMaker)) func terminalsShowABar() throws {
  let folder = try TemporaryFolder()
  let onTerminal = #"exec script -qefc "$(printf '%q ' "$0" "$@")" /dev/null"#
  let characters = try CommandResult(
    ["compare", "--models", "nanogpt", "--out", folder.path + "/a"] + small, shell: onTerminal)
  let stories = try CommandResult(
    [
      "compare", "--preset", "stories", "--size", "0.3M", "--vocab", "400", "--context", "16",
      "--batch", "2", "--iterations", "2", "--eval-iters", "1", "--models", "nanogpt", "--out",
      folder.path + "/b",
    ], shell: "export NANO_KIMI_CACHE='\(folder.path)/cache'; " + onTerminal)
  for (result, last) in [(characters, "20/20"), (stories, "2/2")] {
    #expect(result.status == 0, "\(result.output)")
    for part in ["\r\u{1B}[2K", "████████████████████████ \(last)", "tokens/s", "0:00 left"] {
      #expect(result.output.contains(part), "\(part): \(result.output)")
    }
  }
}
