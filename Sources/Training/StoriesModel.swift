/// A contestant of the stories study.
public enum StoriesModel: String, CaseIterable, Hashable, Sendable, Codable {
  case nanoGPT = "nanogpt"
  /// A NanoGPT with as many parameters as NanoKimiK2 has in total.
  case nanoGPTTotal = "nanogpt-total"
  case nanoKimiK2 = "nanokimik2"

  public var displayName: String {
    switch self {
    case .nanoGPT: "NanoGPT"
    case .nanoGPTTotal: "NanoGPT (total)"
    case .nanoKimiK2: "NanoKimiK2"
    }
  }
}

/// Who updates the weights.
public enum OptimizerKind: String, CaseIterable, Hashable, Sendable, Codable {
  /// AdamW on everything.
  case adamW = "adamw"
  /// Muon on hidden matrices, AdamW on the rest.
  case muon
}

/// How the learning rate moves after the warm-up.
public enum ScheduleKind: String, CaseIterable, Hashable, Sendable, Codable {
  case cosine
  /// Constant, then a linear decay over the last fifth.
  case wsd
  case constant
}
