internal import Foundation

/// What a file is by its first bytes and its name, where that is not text to train on as it stands.
enum FileForm {
  /// Files of bytes, by what they begin with, and what to do with them.
  private static let binary: [(start: [UInt8], name: String, advice: String)] = [
    (Array("version https://git-lfs.github.com/".utf8), "Git LFS's note of a file", "fetch the file with git lfs pull"),
    (Array("PAR1".utf8), "a Parquet file", parquetAdvice),
    (Array("ARROW1".utf8), "an Arrow file", tableAdvice),
    ([0x1F, 0x8B], "packed with gzip", "unpack it with gunzip first"),
    ([0x28, 0xB5, 0x2F, 0xFD], "packed with zstd", "unpack it with unzstd first"),
    ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "packed with xz", "unpack it with unxz first"),
    (Array("PK\u{3}\u{4}".utf8), "a zip archive", "unpack it with unzip first"),
    ([0xFF, 0xFE, 0, 0], "UTF-32 text", "convert it with iconv -f UTF-32 -t UTF-8"),
    ([0, 0, 0xFE, 0xFF], "UTF-32 text", "convert it with iconv -f UTF-32 -t UTF-8"),
    ([0xFF, 0xFE], "UTF-16 text", "convert it with iconv -f UTF-16 -t UTF-8"),
    ([0xFE, 0xFF], "UTF-16 text", "convert it with iconv -f UTF-16 -t UTF-8"),
  ]

  private static let tableAdvice =
    "save its stories as JSON Lines first, one object with a 'text' a line, as pandas does with "
    + "to_json(path, orient='records', lines=True)"

  /// Read batch after batch: the Hub's files are larger than some machines' memory.
  private static let parquetAdvice =
    "give what this makes of it: pip install pyarrow && python3 -c \"import json, sys, pyarrow.dataset as d; "
    + "[print(json.dumps({'text': t})) for b in d.dataset(sys.argv[1:]).to_batches(columns=['text']) "
    + "for t in b['text'].to_pylist()]\" FILE > stories.jsonl"

  /// What to do with Parquet files.
  /// - Parameter files: a path or a pattern of paths, as a shell reads it.
  static func parquetAdvice(for files: String) -> String { parquetAdvice.replacing("FILE", with: files) }

  /// Throws for a file that is known to be no text, and says what to do.
  static func requireText(_ start: Data, path: String) throws(TextFileError) {
    guard let known = binary.first(where: { start.starts(with: $0.start) }) else { return }
    throw TextFileError(
      description: "\(path): is \(known.name); \(known.advice.replacing("FILE", with: "'\(path)'"))")
  }

  /// Throws for a table of comma-separated or tab-separated values: one by its name, or whose first line names a column
  /// of stories.
  static func requireNoTable(_ start: Data, path: String) throws(TextFileError) {
    guard isTable(start, path: path) else { return }
    throw TextFileError(
      description: "\(path): is a table of comma-separated values, or looks like one; \(tableAdvice)"
        + " (a text that only looks like one is read behind an empty line)")
  }

  static func isTable(_ start: Data, path: String) -> Bool {
    if [".csv", ".tsv"].contains(where: path.lowercased().hasSuffix) { return true }
    let lines = start.prefix(4_096).split(
      separator: UInt8(ascii: "\n"), maxSplits: 2, omittingEmptySubsequences: false)
    guard lines.count > 1, let header = String(data: lines[0], encoding: .utf8) else { return false }
    let fields = header.split(omittingEmptySubsequences: false) { $0 == "," || $0 == "\t" }.map {
      $0.trimmingCharacters(in: CharacterSet(charactersIn: "\" \r"))
    }
    let stories = ["text", "story", "stories", "content"]
    guard fields.contains(where: { stories.contains($0.lowercased()) }) else { return false }
    // A column alone is a table when what is in it stands in quotation marks.
    if fields.count == 1 { return lines[1].first == UInt8(ascii: "\"") }
    return fields.allSatisfy { $0.allSatisfy { $0.isLetter || $0.isNumber || "_- ".contains($0) } && $0.count < 40 }
  }

  enum JSONStart {
    case array, object
  }

  /// How JSON begins here: with an object, or with an array of objects or strings; nil for other text.
  static func jsonStart(of text: Data) -> JSONStart? {
    let visible = Array(text.lazy.filter { !$0.isWhitespace }.prefix(2))
    guard visible.count == 2 else { return nil }
    switch (visible[0], visible[1]) {
    case (UInt8(ascii: "{"), UInt8(ascii: "\"")), (UInt8(ascii: "{"), UInt8(ascii: "}")): return .object
    case (UInt8(ascii: "["), UInt8(ascii: "{")), (UInt8(ascii: "["), UInt8(ascii: "\"")),
      (UInt8(ascii: "["), UInt8(ascii: "]")):
      return .array
    default: return nil
    }
  }
}
