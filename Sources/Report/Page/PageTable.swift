/// A table whose first column names its rows and stays in view while the others scroll.
struct PageTable {
  /// What it shows, for those who do not see it.
  var caption: String
  /// Over every column, the first included.
  var headings: [HTML]
  var rows: [(heading: HTML, cells: [HTML])]
  /// Whether most cells are words, so that headings stand to the left.
  var isText = false

  var html: HTML {
    let head = headings.map { "<th scope='col'>\($0)</th>" as HTML }
    let body = rows.map { "<tr><th scope='row'>\($0.heading)</th>\($0.cells)</tr>\n" as HTML }
    return """
      <div class='scroll' tabindex='0' role='region' aria-label='\(caption)'>\
      <table\(isText ? " class='text'" : "" as HTML)>
      <caption class='hidden'>\(caption)</caption>
      <thead><tr>\(head)</tr></thead>
      <tbody>
      \(body)</tbody>
      </table></div>

      """
  }
}

/// A cell with words.
func textCell(_ text: String) -> HTML { "<td class='text'>\(text)</td>" }

/// A cell with a figure of `results.json`. It says where the figure stands there, and what it is shown times, so that it
/// can be checked.
func figureCell(_ path: String, _ text: String?, scale: Double = 1) -> HTML {
  guard let text else { return "<td>–</td>" }
  let factor: HTML = scale == 1 ? "" : " data-scale='\(String(scale))'"
  return "<td data-path='\(path)'\(factor)>\(text)</td>"
}
