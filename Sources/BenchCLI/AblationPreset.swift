import NanoExperiments

/// A study under a name that `bench-cli ablate` carries out.
enum AblationPreset: String, CaseIterable {
  case factorial, ladder
  case storiesLadder = "ladder-stories"
  case newtonSchulz = "newton-schulz"
  case gating, pruning
  case muonFamily = "muon-family"

  var plan: StudyPlan {
    switch self {
    case .factorial: .factorial
    case .ladder: .ladder
    case .storiesLadder: .storiesLadder
    case .newtonSchulz: .newtonSchulz
    case .gating: .gating
    case .pruning: .pruning
    case .muonFamily: .muonFamily
    }
  }
}

extension PlannedArm {
  /// - Parameter settings: `key=value key=value`.
  init(_ name: String, _ title: String, _ settings: String, levels: [Arm.Level] = [], tuning: String? = nil) {
    self.init(
      text: ArmText(
        name: name,
        settings: settings.split(separator: " ").map { word in
          let parts = word.split(separator: "=", maxSplits: 1)
          return GivenFlag(name: String(parts[0]), value: String(parts[1]))
        }), title: title, levels: levels, tuning: tuning)
  }
}

extension StudyPlan {
  /// The whole validation split at the end of every run, and some windows of it on the way.
  static let fullEvaluation = [
    GivenFlag(name: "evaluation", value: "full"), GivenFlag(name: "eval-interval", value: "250"),
    GivenFlag(name: "keep", value: "1"), GivenFlag(name: "checkpoint-every", value: "2000"),
  ]

  /// {NanoGPT, NanoKimi} × {AdamW, TrueMuon, Muon} × {settings as published, tuned ones} of the character study.
  ///
  /// As published, Muon has its author's rate, beside the study's AdamW. The tuned settings are of a linear warm-up and a
  /// linear decay to zero.
  static var factorial: StudyPlan {
    let tuning =
      "by hand with a linear decay to zero, on seeds 1337, 1 and 7: TrueMuon's rate on the last tenth of the training split, "
      + "the others on the validation split, which flatters them a little"
    let published = [
      "adamw": "optimizer=adamw", "truemuon": "optimizer=truemuon", "muon": "optimizer=muon-keller-jordan qk-clip=0",
    ]
    let tuned = [
      "nanogpt-adamw": "lr=0.008", "nanogpt-truemuon": "muon-lr=0.05 lr=0.004",
      "nanogpt-muon": "muon-lr=0.02 lr=0.004", "nanokimi-adamw": "lr=0.004",
      "nanokimi-truemuon": "muon-lr=0.05 lr=0.004", "nanokimi-muon": "muon-lr=0.01 lr=0.004 weight-decay=0.1",
    ]
    var arms: [PlannedArm] = []
    for settings in ["published", "tuned"] {
      for (model, modelTitle) in [("nanogpt", "NanoGPT"), ("nanokimi", "NanoKimi")] {
        for (optimizer, optimizerTitle) in [("adamw", "AdamW"), ("truemuon", "TrueMuon"), ("muon", "Muon")] {
          let isTuned = settings == "tuned"
          let own = isTuned ? " schedule=linear warmup=100 " + tuned["\(model)-\(optimizer)"]! : ""
          arms.append(
            PlannedArm(
              "\(model)-\(optimizer)-\(settings)", "\(modelTitle), \(optimizerTitle), \(settings)",
              "model=\(model) \(published[optimizer]!)\(own)",
              levels: [
                .init(modelTitle, of: "model"), .init(optimizerTitle, of: "optimizer"), .init(settings, of: "settings"),
              ], tuning: isTuned ? tuning : nil))
        }
      }
    }
    func comparison(_ label: String, _ arm: String, _ other: String) -> Study.Comparison {
      Study.Comparison(label: label, arm: arm, others: [other])
    }
    return StudyPlan(
      name: "factorial",
      settings: fullEvaluation,
      arms: arms,
      comparisons: [
        comparison(
          "The published claim: NanoKimi with TrueMuon against NanoGPT with AdamW", "nanokimi-truemuon-published",
          "nanogpt-adamw-published"),
        comparison(
          "The same, both tuned", "nanokimi-truemuon-tuned", "nanogpt-adamw-tuned"),
        comparison(
          "A tuned NanoGPT with AdamW against the published NanoKimi", "nanogpt-adamw-tuned",
          "nanokimi-truemuon-published"),
        comparison("Muon against AdamW, NanoGPT, both tuned", "nanogpt-muon-tuned", "nanogpt-adamw-tuned"),
        comparison("Muon against AdamW, NanoKimi, both tuned", "nanokimi-muon-tuned", "nanokimi-adamw-tuned"),
        comparison("NanoKimi against NanoGPT with AdamW, both tuned", "nanokimi-adamw-tuned", "nanogpt-adamw-tuned"),
        comparison("NanoKimi against NanoGPT with Muon, both tuned", "nanokimi-muon-tuned", "nanogpt-muon-tuned"),
      ], margin: 0.005, hasPublishedArms: true)
  }
}
