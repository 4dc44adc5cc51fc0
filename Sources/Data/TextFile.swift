public import Foundation

/// A text file that cannot be used.
public struct TextFileError: Error, Hashable, CustomStringConvertible {
  /// What is wrong, where, and what to do.
  public let description: String
}

/// Reading text from outside.
public enum TextFile {
  /// The whole text of a UTF-8 file, without a byte-order mark.
  /// - Throws: when the path is missing, a directory, a device, unreadable, empty or not UTF-8 text; the offset of the first
  ///   bad byte is named.
  public static func read(_ path: String) throws(TextFileError) -> String {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw TextFileError(description: "\(path): no such file")
    }
    guard !isDirectory.boolValue else {
      throw TextFileError(description: "\(path): is a directory; name a text file")
    }
    guard !FileHandle.isDevice(path) else {
      throw TextFileError(description: "\(path): is a device; name a text file")
    }
    guard let data = FileHandle.contents(ofFile: path) else {
      throw TextFileError(description: "\(path): cannot be read; check its permissions")
    }
    guard !data.isEmpty else { throw TextFileError(description: "\(path): the file is empty") }
    try FileForm.requireText(data, path: path)
    let start = byteOrderMarkLength(of: data)
    guard data.count > start else { throw TextFileError(description: "\(path): the file is empty") }
    // Valid in UTF-8, but of a text in two or four bytes a character, or of no text.
    if let zero = data.firstIndex(of: 0) {
      throw TextFileError(
        description:
          "\(path): not UTF-8 text: a NUL byte at offset \(zero); if it is UTF-16 or UTF-32, convert it with iconv")
    }
    if let text = String(validating: data.dropFirst(start), as: UTF8.self) { return text }
    let offset = firstInvalidByte(in: data) ?? 0
    throw TextFileError(
      description:
        "\(path): not UTF-8 text: invalid byte at offset \(offset); convert it with iconv")
  }

  /// Whether bytes begin a file that is known to be no text, such as one that is packed.
  public static func isKnownAsOther(_ start: Data) -> Bool { (try? FileForm.requireText(start, path: "")) == nil }

  /// What a text seems to be a file of, if that is not plain text: whoever trains on it as it stands should know.
  public static func syntax(of text: String, path: String) -> String? {
    let start = Data(text.utf8.prefix(4_096))
    if FileForm.isTable(start, path: path) { return "comma-separated values" }
    return FileForm.jsonStart(of: start) == nil ? nil : "JSON"
  }

  /// Bytes of the byte-order mark that a text begins with.
  static func byteOrderMarkLength(of text: Data) -> Int {
    text.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
  }

  /// The offset of the first byte that starts no valid UTF-8 sequence; nil for valid UTF-8.
  static func firstInvalidByte(in bytes: some Collection<UInt8>) -> Int? {
    var decoder = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var offset = 0
    while true {
      switch decoder.parseScalar(from: &iterator) {
      case .valid(let sequence): offset += sequence.count
      case .emptyInput: return nil
      case .error: return offset
      }
    }
  }
}
