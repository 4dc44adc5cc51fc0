internal import NanoExperiments

/// One colour an arm, the same in every picture; told apart in grey and by colour-blind readers too.
struct Palette {
  private let arms: [Arm]

  init(_ study: Study) { arms = study.arms }

  private static let blue = Color(red: 0.22, green: 0.42, blue: 0.69)
  private static let orange = Color(red: 0.84, green: 0.37, blue: 0.10)
  private static let teal = Color(red: 0.30, green: 0.62, blue: 0.62)
  private static let others = [
    Color(red: 0.55, green: 0.34, blue: 0.64), Color(red: 0.45, green: 0.45, blue: 0.45),
    Color(red: 0.78, green: 0.62, blue: 0.12), Color(red: 0.80, green: 0.42, blue: 0.60),
    Color(red: 0.30, green: 0.55, blue: 0.25),
  ]
  static let (imbalance, meanImbalance) = (orange, blue)

  func color(of arm: String) -> Color {
    switch ModelName(rawValue: arm) {
    case .nanoGPT: return Self.blue
    case .nanoKimi, .nanoKimiK2: return Self.orange
    case .nanoGPTTotal: return Self.teal
    default: break
    }
    let named = arms.count { ModelName(rawValue: $0.name) != nil }
    let all = named == 0 ? [Self.blue, Self.orange, Self.teal] + Self.others : Self.others
    let unnamed = arms.filter { ModelName(rawValue: $0.name) == nil || ModelName(rawValue: $0.name) == .nanoGPT2 }
    return all[(unnamed.firstIndex { $0.name == arm } ?? 0) % all.count]
  }

  func title(of arm: String) -> String { arms.first { $0.name == arm }?.title ?? arm }
}
