/// Names that are close to what was written.
enum Spelling {
  /// What to say after a name that is not known: the one that is meant if that is clear, else all.
  static func advice(for text: String, known: [String]) -> String {
    let nearest = known.map { (name: $0, distance: distance(Array(text), Array($0))) }.min { $0.distance < $1.distance }
    if let nearest, nearest.distance <= max(1, text.count / 4) { return "did you mean '\(nearest.name)'?" }
    return "known: \(known.joined(separator: ", "))"
  }

  /// How many letters one text has that the other lacks, or that are exchanged with the next.
  private static func distance(_ first: [Character], _ second: [Character]) -> Int {
    var (before, last, row) = ([Int](), [Int](), Array(0...second.count))
    for (i, letter) in first.enumerated() {
      (before, last, row) = (last, row, [i + 1])
      for (j, other) in second.enumerated() {
        var least = min(row[j] + 1, last[j + 1] + 1, last[j] + (letter == other ? 0 : 1))
        if i > 0, j > 0, letter == second[j - 1], other == first[i - 1] { least = min(least, before[j - 1] + 1) }
        row.append(least)
      }
    }
    return row.last!
  }
}
