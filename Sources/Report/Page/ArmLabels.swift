internal import NanoExperiments

/// How arms are named and marked on the page: a title with a mark of the arm's colour and shape.
struct ArmLabels {
  private let arms: [Arm]
  private let palette: Palette

  init(_ study: Study) {
    arms = study.arms
    palette = Palette(study)
  }

  func index(of name: String) -> Int? { arms.firstIndex { $0.name == name } }

  func colorClass(of name: String) -> String { "a\(palette.index(of: name))" }

  /// - Parameter title: the arm's where none is given.
  func label(_ name: String, title: String? = nil) -> HTML {
    guard let index = index(of: name) else { return "\(title ?? name)" }
    return
      "<span class='mark \(colorClass(of: name))' data-arm='\(index)'></span>\(title ?? arms[index].title)"
  }
}
