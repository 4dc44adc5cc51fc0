internal import Foundation

/// Means with their 95% intervals as dots and whiskers on a common axis: a table, whose plots are cells laid out in per
/// cent, so that it needs no script and fits any width.
struct DotPlot {
  struct Row {
    var label: HTML
    /// The colour's class; empty for that of text.
    var colorClass = ""
    /// Single values, such as those of seeds.
    var values: [Double] = []
    var mean: Double
    var interval: ClosedRange<Double>?
    /// Whether the dot is filled: a difference that is shown.
    var isFilled = true
    /// The cells after the plot.
    var cells: [HTML]
  }

  var caption: String
  /// Of the names, the plot, and each further cell.
  var headings: [String]
  var rows: [Row]
  /// Whether zero is part of the axis, and marked.
  var showsZero = false

  private var axis: Axis {
    let values =
      (showsZero ? [0] : [])
      + rows.flatMap { row -> [Double] in
        row.values + [row.mean] + (row.interval.map { [$0.lowerBound, $0.upperBound] } ?? [])
      }
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    let margin = max(0.04 * (high - low), 1e-4)
    return Axis(low - margin...high + margin, tickCount: 5)
  }

  var html: HTML {
    let axis = axis
    func left(_ value: Double) -> String { percent(axis.fraction(value)) }
    let grid = axis.ticks.map { tick -> HTML in
      "<i class='\(showsZero && abs(tick) < 1e-12 ? "zero" : "tick")' style='left:\(left(tick))'></i>"
    }
    let body = rows.map { row -> HTML in
      let whisker: HTML =
        row.interval.map { interval in
          let width = percent(axis.fraction(interval.upperBound) - axis.fraction(interval.lowerBound))
          return "<i class='whisker' style='left:\(left(interval.lowerBound));width:\(width)'></i>"
        } ?? ""
      let seeds = row.values.map { "<i class='seed' style='left:\(left($0))'></i>" as HTML }
      return """
        <tr class='\(row.colorClass)'><th scope='row'>\(row.label)</th><td class='axis'><span class='track' \
        aria-hidden='true'>\(grid)\(whisker)\(seeds)<i class='mean\(row.isFilled ? "" : " open")' \
        style='left:\(left(row.mean))'></i></span></td>\(row.cells)</tr>

        """
    }
    let head = headings.enumerated().map { index, heading -> HTML in
      "<th scope='col'\(index == 1 ? " class='axis'" : "" as HTML)>\(heading)</th>"
    }
    let scale = axis.ticks.map { "<i style='left:\(left($0))'>\(axis.label($0))</i>" as HTML }
    let empty = Array(repeating: "<td></td>" as HTML, count: headings.count - 2)
    return """
      <table class='dots'>
      <caption class='hidden'>\(caption)</caption>
      <thead><tr>\(head)</tr></thead>
      <tbody>
      \(body)<tr class='scale' aria-hidden='true'><th></th><td class='axis'><span class='track'>\(scale)</span></td>\
      \(empty)</tr>
      </tbody>
      </table>

      """
  }

  private func percent(_ share: Double) -> String { String(format: "%.2f%%", 100 * share) }
}
