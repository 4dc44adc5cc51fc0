import Foundation

extension Int {
  /// In digits, with commas between thousands.
  var grouped: String {
    self < 1000 ? "\(self)" : (self / 1000).grouped + String(format: ",%03d", self % 1000)
  }
}
