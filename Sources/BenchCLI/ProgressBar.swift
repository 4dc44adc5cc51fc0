import Foundation

/// One line of a terminal that says how far a run is, redrawn in place.
struct ProgressBar {
  let name: String
  private var lastDraw = -Double.infinity

  init(_ name: String) { self.name = name }

  /// Draws `done` of `total` with `details`, at most five times a second and at the end.
  /// - Parameters:
  ///   - elapsed: seconds since the run began or went on.
  ///   - made: how much was done in these seconds.
  mutating func draw(done: Int, of total: Int, made: Int, elapsed: Double, details: String) {
    guard elapsed - lastDraw > 0.2 || done == total else { return }
    lastDraw = elapsed
    let filled = done * 24 / total
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
    let left = Int(elapsed / Double(made) * Double(total - done))
    Terminal.rewriteLine(
      String(
        format: "%@ %@ %d/%d  %@  %d:%02d left", name, bar, done, total, details, left / 60, left % 60))
  }
}
