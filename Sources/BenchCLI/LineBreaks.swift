import NanoReport

extension String {
  /// The same with lines broken between words where they are wider than a window; what follows a break is indented as its
  /// line is, behind the dash of a list too. Lines of tables, and words that are wider than the window, stay whole.
  /// - Parameter columns: of the window; nil where there is none.
  func broken(columns: Int?) -> String {
    guard let columns else { return self }
    return split(separator: "\n", omittingEmptySubsequences: false).map { paragraph in
      guard paragraph.count > columns, !paragraph.hasPrefix("|") else { return String(paragraph) }
      let indentation = String(paragraph.prefix { $0 == " " })
      let further = indentation + (paragraph.dropFirst(indentation.count).hasPrefix("- ") ? "  " : "")
      return String(paragraph).lines(fitting: columns, indentation: indentation, further: further)
        .joined(separator: "\n")
    }.joined(separator: "\n")
  }
}
