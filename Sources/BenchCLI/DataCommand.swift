import ArgumentParser
import Foundation
import NanoData

/// `bench-cli data`: data from the network.
struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Fetch data sets.",
    discussion: CommandConfiguration.examples("data shakespeare", "data tinystories --split valid"),
    subcommands: [ShakespeareCommand.self, TinyStoriesCommand.self])
}

/// `bench-cli data shakespeare`: the text of the published character study.
struct ShakespeareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shakespeare",
    abstract: "Download tiny Shakespeare (1.1 MB) as input.txt, which the character study reads by default.",
    discussion: CommandConfiguration.examples(
      "data shakespeare", "data shakespeare --out data", note: DownloadOptions.discussion))

  @Option("The folder for input.txt", "folder")
  var out = "."

  @OptionGroup var options: DownloadOptions

  func run() throws {
    try options.fetch([TinyShakespeare.text], to: out) { start in
      // What a network or a server says instead begins as mark-up or JSON, or is another file.
      let byteOrderMark: Set<UInt8> = [0xEF, 0xBB, 0xBF]
      let words = start.drop { $0 <= UInt8(ascii: " ") || byteOrderMark.contains($0) }
      let isOther = words.first.map { [UInt8(ascii: "<"), UInt8(ascii: "{")].contains($0) } ?? true
      return isOther || TextFile.isKnownAsOther(words) || start.contains(0) ? "is no text of plays" : nil
    }
  }
}

/// `bench-cli data tinystories`: the published files.
struct TinyStoriesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tinystories",
    abstract: "Download TinyStories (V2, GPT-4 only): 2.2 GB to train on, 22 MB to validate.",
    discussion: CommandConfiguration.examples(
      "data tinystories", "data tinystories --split valid --out stories", note: DownloadOptions.discussion))

  @Option("The folder for the files", "folder")
  var out = "data/tinystories"

  @Option("Which files: valid, train, all", "name")
  var split = "all"

  @OptionGroup var options: DownloadOptions

  private static let files = [
    "valid": [TinyStories.validation], "train": [TinyStories.training],
    "all": [TinyStories.validation, TinyStories.training],
  ]

  func validate() throws {
    guard Self.files[split] != nil else {
      throw ValidationError("unknown split '\(split)'; known: valid, train, all")
    }
    guard options.sha256 == nil || split != "all" else {
      throw ValidationError("--sha256 is for one file; give --split train or --split valid with it")
    }
  }

  func run() throws {
    try options.fetch(Self.files[split]!, to: out) { start in
      start.firstRange(of: Data("<|endoftext|>".utf8)) == nil ? "holds no <|endoftext|>, so it is not TinyStories" : nil
    }
  }
}

/// How published files are fetched.
struct DownloadOptions: ParsableArguments {
  static let discussion = """
    A download that breaks off goes on where it was when the command is run again. Size and SHA-256 are checked \
    against the published files', or at another address against --sha256 or what its server publishes.
    """

  @Option("The folder to fetch from", "address", default: "where it is published")
  var url: String?

  @Option("The SHA-256 that the file must have; for one file alone", "digits")
  var sha256: String?

  func validate() throws {
    guard sha256.map({ $0.count == 64 && $0.allSatisfy(\.isHexDigit) }) ?? true else {
      throw ValidationError("--sha256 is '\(sha256!)'; it must be 64 hexadecimal digits")
    }
    guard let url else { return }
    guard let base = URL(string: url), base.scheme == "http" || base.scheme == "https", base.host?.isEmpty == false
    else {
      throw ValidationError("'\(url)' is not an http or https address")
    }
  }

  /// Fetches what is not there yet.
  /// - Parameter problem: what is wrong with a file that begins with these bytes; nil for nothing.
  func fetch(
    _ files: [PublishedFile], to folder: String, problem: @escaping @Sendable (_ start: Data) -> String?
  ) throws {
    guard !folder.isEmpty else { throw ValidationError("--out is empty; name a folder") }
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw RunError("\(folder): cannot be created; check the path and its permissions")
    }
    for file in files {
      let path = folder + "/" + file.name
      if FileManager.default.fileExists(atPath: path) {
        print("\(path): is there already")
        continue
      }
      let summary = try download(file, to: path, problem).run { done, total in
        guard Terminal.redraws else { return }
        let share = total.map {
          String(format: " of %.1f MB (%.0f%%)", Double($0) / 1e6, 100 * Double(done) / Double($0))
        }
        Terminal.rewriteLine(String(format: "%@: %.1f MB", file.name, Double(done) / 1e6) + (share ?? ""))
      }
      if Terminal.redraws { Terminal.rewriteLine("") }
      print(
        "\(path): \(summary.byteCount) bytes, SHA-256 \(summary.sha256)"
          + (summary.wasVerified
            ? " as published"
            : ", which could not be checked: nothing is published at this address, and no --sha256 given"))
    }
  }

  private func download(
    _ file: PublishedFile, to path: String, _ problem: @escaping @Sendable (Data) -> String?
  ) -> Download {
    let isPublished = url == nil && sha256 == nil
    let source = URL(string: url ?? file.folder)!.appendingPathComponent(file.name)
    var download = Download(
      source, to: path, expectedSize: isPublished ? file.byteCount : nil,
      expectedSHA256: sha256 ?? (isPublished ? file.sha256 : nil))
    // Other editions of the file are not many times as long.
    download.largestSize = 4 * file.byteCount
    download.inspection = { path in
      let start = try FileHandle(forReadingAtPath: path)?.read(upToCount: 1 << 22) ?? Data()
      if let problem = problem(start) { throw RunError("\(source): what came \(problem); it was deleted") }
    }
    return download
  }
}
