internal import Foundation

/// Figures as text: one line a figure, one column a model.
struct TextTable<Column> {
  typealias Row = (label: String, text: @Sendable (Column) -> String)

  let rows: [Row]
  let columns: [Column]
  let name: (Column) -> String

  /// - Parameter width: characters that a line may have; where all columns have no room, the rest are a table below, and a
  ///   name that is wider than that is broken.
  func text(width: Int? = nil) -> String {
    let labelWidth = rows.map(\.label.count).max() ?? 0
    let room = max(1, (width ?? .max) - labelWidth - 2)
    let names = columns.map { name($0).broken(into: room) }
    let height = names.map(\.count).max() ?? 0
    let cells = zip(columns, names).map { column, name in
      Array(repeating: "", count: height - name.count) + name + rows.map { $0.text(column) }
    }
    let widths = cells.map { column in column.map(\.count).max() ?? 0 }
    if let width, columns.count > 1, labelWidth + widths.reduce(0, { $0 + 2 + $1 }) > width {
      var (count, used) = (0, labelWidth)
      while count < columns.count - 1, count == 0 || used + 2 + widths[count] <= width {
        used += 2 + widths[count]
        count += 1
      }
      return [columns[..<count], columns[count...]].map {
        TextTable(rows: rows, columns: Array($0), name: name).text(width: width)
      }.joined(separator: "\n\n")
    }
    func line(_ label: String, _ row: Int) -> String {
      label.padding(toLength: labelWidth, withPad: " ", startingAt: 0) + "  "
        + zip(cells, widths).map { $0[row].padded(to: $1) }.joined(separator: "  ")
    }
    let header = (0..<height).map { line("", $0) }
    let rule = String(repeating: "-", count: labelWidth + widths.reduce(0) { $0 + 2 + $1 })
    return (header + [rule] + rows.enumerated().map { line($1.label, $0 + height) }).joined(separator: "\n")
  }
}

/// A number with so many digits behind the point; a dash when there is none.
func fixed(_ value: Double, _ digits: Int) -> String {
  value.isFinite ? String(format: "%.\(digits)f", value) : "-"
}

/// A probability in a sentence: four digits; below the last of them, that.
func probabilityText(_ value: Double?) -> String {
  guard let value, value < 0.000_05 else { return fixed(value ?? .nan, 4) }
  return "below 0.0001"
}

/// A probability in a table: five digits, or a power of ten where these would be zeros.
func probability(_ value: Double?) -> String {
  guard let value, value < 0.000_05 else { return fixed(value ?? .nan, 5) }
  return String(format: "%.1e", value)
}

/// Whether two losses are the same to the four digits that reports give.
func areLevel(_ first: Double, _ second: Double) -> Bool { fixed(first, 4) == fixed(second, 4) }

/// How many of all, or just all.
func madeText(_ made: Int, of total: Int) -> String {
  made < total ? "\(grouped(made)) of \(grouped(total))" : grouped(made)
}

/// A whole number with its thousands apart.
package func grouped(_ value: Int) -> String {
  var groups: [Substring] = []
  var digits = String(value.magnitude)[...]
  while digits.count > 3 {
    groups.append(digits.suffix(3))
    digits = digits.dropLast(3)
  }
  return (value < 0 ? "-" : "") + ([digits] + groups.reversed()).joined(separator: ",")
}

extension String {
  /// Lines of at most so many characters, broken between words or, where a word is longer, in it.
  fileprivate func broken(into width: Int) -> [String] {
    lines(fitting: width).flatMap { line in
      stride(from: 0, to: line.count, by: width).map { String(line.dropFirst($0).prefix(width)) }
    }
  }

  /// Spaces before it until it is `width` characters long.
  fileprivate func padded(to width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }
}
