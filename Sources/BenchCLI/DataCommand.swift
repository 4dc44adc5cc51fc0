import ArgumentParser
import Foundation
import NanoData

/// `bench-cli data`: data from the network.
struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Fetch data sets.", subcommands: [TinyStoriesCommand.self])
}

/// `bench-cli data tinystories`: the published files.
struct TinyStoriesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tinystories",
    abstract: "Download TinyStories (V2, GPT-4 only): 2.2 GB to train on, 22 MB to validate.",
    discussion: """
      A download that breaks off goes on where it was when the command is run again. Size and SHA-256 are checked \
      against the published files', or at another address against --sha256 or what its server publishes.
      """)

  @Option(help: "The folder for the files.")
  var out = "data/tinystories"

  @Option(help: "Which files: valid, train, all.")
  var split = "all"

  @Option(help: "The folder to fetch from.")
  var url = TinyStories.address

  @Option(help: "The SHA-256 that the file must have; for one file alone.")
  var sha256: String?

  private static let files = [
    "valid": [TinyStories.validation], "train": [TinyStories.training],
    "all": [TinyStories.validation, TinyStories.training],
  ]

  func validate() throws {
    guard Self.files[split] != nil else {
      throw ValidationError("unknown split '\(split)'; known: valid, train, all")
    }
    guard sha256 == nil || split != "all" else {
      throw ValidationError("--sha256 is for one file; give --split train or --split valid with it")
    }
    guard sha256.map({ $0.count == 64 && $0.allSatisfy(\.isHexDigit) }) ?? true else {
      throw ValidationError("--sha256 is '\(sha256!)'; it must be 64 hexadecimal digits")
    }
    guard !out.isEmpty else { throw ValidationError("--out is empty; name a folder") }
    guard let base = URL(string: url), base.scheme == "http" || base.scheme == "https", base.host?.isEmpty == false
    else {
      throw ValidationError("'\(url)' is not an http or https address")
    }
  }

  func run() throws {
    do {
      try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
    } catch {
      throw ValidationError("\(out): cannot be created; check the path and its permissions")
    }
    for file in Self.files[split]! {
      let path = out + "/" + file.name
      if FileManager.default.fileExists(atPath: path) {
        print("\(path): is there already")
        continue
      }
      let summary = try download(file, to: path).run { done, total in
        guard Terminal.isInteractive else { return }
        let share = total.map {
          String(format: " of %.1f MB (%.0f%%)", Double($0) / 1e6, 100 * Double(done) / Double($0))
        }
        Terminal.rewriteLine(String(format: "%@: %.1f MB", file.name, Double(done) / 1e6) + (share ?? ""))
      }
      if Terminal.isInteractive { Terminal.rewriteLine("") }
      print(
        "\(path): \(summary.byteCount) bytes, SHA-256 \(summary.sha256)"
          + (summary.wasVerified
            ? " as published"
            : ", which could not be checked: nothing is published at this address, and no --sha256 given"))
    }
  }

  private func download(_ file: TinyStories.File, to path: String) -> Download {
    let isPublished = url == TinyStories.address && sha256 == nil
    let source = URL(string: url)!.appendingPathComponent(file.name)
    var download = Download(
      source, to: path, expectedSize: isPublished ? file.byteCount : nil,
      expectedSHA256: sha256 ?? (isPublished ? file.sha256 : nil))
    // Other editions of the file are not many times as long.
    download.largestSize = 4 * file.byteCount
    download.inspection = { path in
      guard let start = try FileHandle(forReadingAtPath: path)?.read(upToCount: 1 << 22),
        start.firstRange(of: Data("<|endoftext|>".utf8)) != nil
      else { throw RunError("\(source): what came holds no <|endoftext|>, so it is not TinyStories; it was deleted") }
    }
    return download
  }
}
