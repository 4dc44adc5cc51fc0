extension String {
  /// Its words in lines of at most `width` characters, where a word is not wider itself.
  /// - Parameters:
  ///   - indentation: before the first line.
  ///   - further: before every other line.
  package func lines(fitting width: Int, indentation: String = "", further: String = "") -> [String] {
    var lines: [String] = []
    for word in split(separator: " ") {
      if let last = lines.last, last.count + 1 + word.count <= width {
        lines[lines.count - 1] += " " + word
      } else {
        lines.append((lines.isEmpty ? indentation : further) + word)
      }
    }
    return lines
  }
}
