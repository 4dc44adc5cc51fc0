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

  /// A NanoKimi that loses experts after training, of each layer those with the smallest loads, with the least mass of
  /// gates, or that are missed least; as it is then, and after 500 steps more, beside as many of the whole model.
  static var pruning: StudyPlan {
    let whole = PlannedArm("whole", "four experts", "model=nanokimi")
    func arm(_ name: String, _ title: String, _ experts: Int, _ criterion: ExpertPruning.Criterion, recovers: Bool)
      -> PlannedArm
    {
      var arm = PlannedArm(
        name + (recovers ? "-500" : ""), title + (recovers ? ", 500 steps more" : ""),
        "model=nanokimi experts=\(experts) " + (recovers ? "iterations=500 lr=0.001 warmup=50" : "iterations=0"))
      arm.start = PrunedStart(of: whole.text.name, by: criterion)
      return arm
    }
    let control = arm("whole", "four experts", 4, .load, recovers: true)
    var (arms, comparisons) = ([whole, control], [Study.Comparison]())
    for recovers in [false, true] {
      for (criterion, words) in [(ExpertPruning.Criterion.load, "load"), (.gateMass, "mass of gates"), (.loss, "loss")]
      {
        for experts in (1...3).reversed() {
          let pruned = arm(
            "\(criterion.rawValue)-\(experts)", "\(experts) by \(words)", experts, criterion, recovers: recovers)
          arms.append(pruned)
          let other = recovers ? control : whole
          comparisons.append(
            .init(label: "\(pruned.title!) against \(other.title!)", arm: pruned.text.name, others: [other.text.name]))
        }
      }
    }
    return StudyPlan(
      name: "pruning",
      settings: tunedSchedule + [GivenFlag(name: "optimizer", value: "adamw"), GivenFlag(name: "lr", value: "0.004")],
      arms: arms, comparisons: comparisons, margin: 0.005)
  }

  /// Every Muon rule that has a name on one NanoGPT, with AdamW, Lion and SOAP beside them; each at its own rate until
  /// `--tune muon-lr` finds better ones. Then Keller Jordan's with the matrices of all heads as one, and with rates of
  /// their own for embeddings and head. SOAP's rate is from a search on the training split (Docs/Recipes.md).
  static var muonFamily: StudyPlan {
    let rules = OptimizerName.allCases.filter { $0.rawValue.contains("muon") && $0 != .hyperball }
    let plain = "model=nanogpt optimizer=muon-keller-jordan lr=0.004 qk-clip=0"
    return StudyPlan(
      name: "muon-family", settings: tunedSchedule,
      arms: [PlannedArm("adamw", "AdamW", "model=nanogpt optimizer=adamw lr=0.008")]
        + rules.map {
          PlannedArm($0.rawValue, $0.rawValue, "model=nanogpt optimizer=\($0.rawValue) lr=0.004 qk-clip=0")
        }
        + [
          PlannedArm("lion", "Lion", "model=nanogpt optimizer=lion lr=0.001"),
          PlannedArm("muon-h", "muon-h", "model=nanogpt optimizer=muon-h lr=0.004 qk-clip=0"),
          PlannedArm("soap", "SOAP", "model=nanogpt optimizer=soap lr=0.0168"),
          PlannedArm("whole-heads", "muon-keller-jordan, all heads as one", plain + " split-heads=false"),
          PlannedArm(
            "embedding-lr", "muon-keller-jordan, embeddings three times as fast", plain + " embedding-lr=0.012"),
          PlannedArm("head-lr", "muon-keller-jordan, head a third as fast", plain + " head-lr=0.0013"),
        ],
      margin: 0.005)
  }
}
