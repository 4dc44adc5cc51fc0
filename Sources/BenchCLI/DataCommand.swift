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
      against what the server publishes.
      """)

  @Option(help: "The folder for the files.")
  var out = "data/tinystories"

  @Option(help: "Which files: valid, train, all.")
  var split = "all"

  @Option(help: "The folder to fetch from.")
  var url =
    "https://huggingface.co/datasets/roneneldan/TinyStories/resolve/main"

  @Option(help: "The SHA-256 that the file must have; for one file alone.")
  var sha256: String?

  private static let names = [
    "valid": ["TinyStoriesV2-GPT4-valid.txt"], "train": ["TinyStoriesV2-GPT4-train.txt"],
    "all": ["TinyStoriesV2-GPT4-valid.txt", "TinyStoriesV2-GPT4-train.txt"],
  ]

  func validate() throws {
    guard Self.names[split] != nil else {
      throw ValidationError("unknown split '\(split)'; known: valid, train, all")
    }
    guard sha256 == nil || split != "all" else {
      throw ValidationError("--sha256 is for one file; give --split train or --split valid with it")
    }
    guard let base = URL(string: url), base.scheme == "http" || base.scheme == "https" else {
      throw ValidationError("'\(url)' is not an http or https address")
    }
  }

  func run() throws {
    do {
      try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
    } catch {
      throw ValidationError("\(out): cannot be created; check the path and its permissions")
    }
    for name in Self.names[split]! {
      let path = out + "/" + name
      if FileManager.default.fileExists(atPath: path) {
        print("\(path): is there already")
        continue
      }
      let download = Download(
        URL(string: url)!.appendingPathComponent(name), to: path, expectedSHA256: sha256)
      let summary = try download.run { done, total in
        guard Terminal.isInteractive else { return }
        let share = total.map {
          String(format: " of %.1f MB (%.0f%%)", Double($0) / 1e6, 100 * Double(done) / Double($0))
        }
        Terminal.rewriteLine(String(format: "%@: %.1f MB", name, Double(done) / 1e6) + (share ?? ""))
      }
      if Terminal.isInteractive { Terminal.rewriteLine("") }
      print(
        "\(path): \(summary.byteCount) bytes, SHA-256 \(summary.sha256)"
          + (summary.wasVerified ? " as published" : " (nothing published to compare with)"))
    }
  }
}
