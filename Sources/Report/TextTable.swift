internal import Foundation

/// Figures as text: one line a figure, one column a model.
struct TextTable<Column> {
  typealias Row = (label: String, text: @Sendable (Column) -> String)

  let rows: [Row]
  let columns: [Column]
  let name: (Column) -> String

  var text: String {
    let labelWidth = rows.map(\.label.count).max() ?? 0
    let cells = columns.map { column in [name(column)] + rows.map { $0.text(column) } }
    let widths = cells.map { column in column.map(\.count).max() ?? 0 }
    func line(_ label: String, _ row: Int) -> String {
      label.padding(toLength: labelWidth, withPad: " ", startingAt: 0) + "  "
        + zip(cells, widths).map { $0[row].padded(to: $1) }.joined(separator: "  ")
    }
    let header = line("", 0)
    let rule = String(repeating: "-", count: header.count)
    return ([header, rule] + rows.enumerated().map { line($1.label, $0 + 1) }).joined(
      separator: "\n")
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
func grouped(_ value: Int) -> String {
  var groups: [Substring] = []
  var digits = String(value.magnitude)[...]
  while digits.count > 3 {
    groups.append(digits.suffix(3))
    digits = digits.dropLast(3)
  }
  return (value < 0 ? "-" : "") + ([digits] + groups.reversed()).joined(separator: ",")
}

extension String {
  /// Spaces before it until it is `width` characters long.
  fileprivate func padded(to width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }
}
