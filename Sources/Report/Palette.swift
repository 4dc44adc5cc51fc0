internal import NanoExperiments

/// One colour an arm, the same in every picture; told apart in grey and by colour-blind readers too.
struct Palette {
  private let arms: [Arm]

  init(_ study: Study) { arms = study.arms }

  static let colors = [
    Color(red: 0.22, green: 0.42, blue: 0.69), Color(red: 0.84, green: 0.37, blue: 0.10),
    Color(red: 0.30, green: 0.62, blue: 0.62), Color(red: 0.55, green: 0.34, blue: 0.64),
    Color(red: 0.45, green: 0.45, blue: 0.45), Color(red: 0.78, green: 0.62, blue: 0.12),
    Color(red: 0.80, green: 0.42, blue: 0.60), Color(red: 0.30, green: 0.55, blue: 0.25),
  ]
  static let (imbalance, meanImbalance) = (colors[1], colors[0])

  func color(of arm: String) -> Color { Self.colors[index(of: arm)] }

  /// Of ``colors``: models of the studies keep theirs, whatever else is compared.
  func index(of arm: String) -> Int {
    if let fixed = Self.fixedIndex(of: arm) { return fixed }
    let free = arms.contains { Self.fixedIndex(of: $0.name) != nil } ? 3..<Self.colors.count : Self.colors.indices
    let others = arms.filter { Self.fixedIndex(of: $0.name) == nil }
    return free[free.startIndex + (others.firstIndex { $0.name == arm } ?? 0) % free.count]
  }

  private static func fixedIndex(of arm: String) -> Int? {
    switch ModelName(rawValue: arm) {
    case .nanoGPT: 0
    case .nanoKimi, .nanoKimiK2: 1
    case .nanoGPTTotal: 2
    default: nil
    }
  }

  func title(of arm: String) -> String {
    arms.first { $0.name == arm }?.title ?? ModelName(rawValue: arm)?.displayName ?? arm
  }
}
