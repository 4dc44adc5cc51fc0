import NanoExperiments

extension StudyPlan {
  /// At the tuned settings of the factorial study.
  private static var tunedSchedule: [GivenFlag] {
    fullEvaluation + [GivenFlag(name: "schedule", value: "linear"), GivenFlag(name: "warmup", value: "100")]
  }

  /// What the iteration of Muon costs and is worth, from one step to the exact polar factor, on a NanoGPT.
  static var newtonSchulz: StudyPlan {
    let forms =
      (1...8).map { ("quintic-\($0)", "Keller Jordan's, \($0)") }
      + (1...5).map { ("polar-\($0)", "Polar Express, \($0)") }
      + [("convergent", "convergent, 10"), ("exact", "exact")]
    // The usual form comes first, so that the others are set against it.
    let ordered = forms.filter { $0.0 == "quintic-5" } + forms.filter { $0.0 != "quintic-5" }
    return StudyPlan(
      name: "newton-schulz", settings: tunedSchedule + [GivenFlag(name: "lr", value: "0.004")],
      arms: ordered.map { name, title in
        PlannedArm(
          name, title, "model=nanogpt optimizer=muon-keller-jordan muon-lr=0.02 qk-clip=0 orthogonalizer=\(name)")
      }, margin: 0.005)
  }

  /// What gates a mixture: all of its four experts by a softmax, the best few of them, or the best few of more and narrower
  /// ones, which have as many parameters together.
  static var gating: StudyPlan {
    func sparse(_ gating: String, top count: Int, of experts: Int) -> PlannedArm {
      PlannedArm(
        "\(gating)-top\(count)of\(experts)", "top \(count) of \(experts), \(gating)",
        "model=nanokimi feed-forward=sparseMoE experts=\(experts) expert-width=\(256 / experts) shared-experts=0 "
          + "dense-layers=0 gating=\(gating) experts-per-token=\(count)")
    }
    let four = ["softmax", "sigmoid"].flatMap { gating in (1...4).map { sparse(gating, top: $0, of: 4) } }
    let more = ["softmax", "sigmoid"].flatMap { gating in [8, 16].map { sparse(gating, top: $0 / 4, of: $0) } }
    return StudyPlan(
      name: "gating",
      settings: tunedSchedule + [GivenFlag(name: "optimizer", value: "adamw"), GivenFlag(name: "lr", value: "0.004")],
      arms: [PlannedArm("dense", "all four, softmax", "model=nanokimi")] + four + more, margin: 0.005)
  }

  /// Every Muon rule that has a name on one NanoGPT, with AdamW and Lion beside them; each at its own rate until
  /// `--tune muon-lr` finds better ones.
  static var muonFamily: StudyPlan {
    let rules = OptimizerName.allCases.filter { $0.rawValue.contains("muon") }
    return StudyPlan(
      name: "muon-family", settings: tunedSchedule,
      arms: [PlannedArm("adamw", "AdamW", "model=nanogpt optimizer=adamw lr=0.008")]
        + rules.map {
          PlannedArm($0.rawValue, $0.rawValue, "model=nanogpt optimizer=\($0.rawValue) lr=0.004 qk-clip=0")
        }
        + [PlannedArm("lion", "Lion", "model=nanogpt optimizer=lion lr=0.001")],
      margin: 0.005)
  }
}
