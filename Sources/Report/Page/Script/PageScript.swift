/// What the page does by itself, without any library: charts from the data that it carries.
enum PageScript {
  static let text = [state, marks, axis, chart, losses, rates, loads, paper, news].joined(separator: "\n")
}
