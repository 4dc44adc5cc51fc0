import NanoExperiments

extension StudyPlan {
  /// From NanoGPT to NanoKimi one change at a time, and back by removal, as the character study was published.
  static var ladder: StudyPlan {
    StudyPlan(
      name: "ladder", settings: fullEvaluation,
      arms: [
        PlannedArm("nanogpt", "NanoGPT", "model=nanogpt optimizer=adamw"),
        PlannedArm("swiglu", "+ SwiGLU", "model=nanogpt feed-forward=swiGLU optimizer=adamw"),
        PlannedArm("mixture", "+ mixture of four experts", "model=nanokimi optimizer=adamw"),
        PlannedArm("nanokimi", "+ TrueMuon: NanoKimi", "model=nanokimi optimizer=truemuon"),
        PlannedArm("without-mixture", "NanoKimi without the mixture", "model=nanogpt optimizer=truemuon"),
      ],
      comparisons: [
        .init(label: "SwiGLU", arm: "swiglu", others: ["nanogpt"]),
        .init(label: "Mixture", arm: "mixture", others: ["swiglu"]),
        .init(label: "TrueMuon, of the mixture", arm: "nanokimi", others: ["mixture"]),
        .init(label: "All together", arm: "nanokimi", others: ["nanogpt"]),
        .init(label: "TrueMuon, of the dense model", arm: "without-mixture", others: ["nanogpt"]),
        .init(label: "Without the mixture", arm: "without-mixture", others: ["nanokimi"]),
      ], margin: 0.005)
  }

  /// From NanoGPT2 to NanoKimiK2 one change at a time, and back by removal, on stories.
  static var storiesLadder: StudyPlan {
    let steps = [
      ("rmsnorm", "RMSNorm", "norm=rmsNorm"), ("swiglu", "SwiGLU", "feed-forward=swiGLU"),
      ("rotary", "rotary positions", "positions=rotary"), ("mixture", "sparse mixture", "feed-forward=sparseMoE"),
      ("latent", "latent attention", "attention=latent"), ("nanokimik2", "Muon", "optimizer=muon"),
    ]
    var settings = ["model": "model=nanogpt2", "optimizer": "optimizer=adamw"]
    var arms = [PlannedArm("nanogpt2", "NanoGPT2", "model=nanogpt2 optimizer=adamw")]
    var comparisons: [Study.Comparison] = []
    for (name, title, setting) in steps {
      settings[String(setting.prefix { $0 != "=" })] = setting
      // The family's own sizes come with its own model.
      if name == "latent" { settings = ["model": "model=nanokimik2", "optimizer": "optimizer=adamw"] }
      if name == "nanokimik2" { settings = ["model": "model=nanokimik2", "optimizer": "optimizer=muon"] }
      comparisons.append(.init(label: title, arm: name, others: [arms[arms.count - 1].text.name]))
      arms.append(
        PlannedArm(name, "+ \(title)", settings.sorted { $0.key < $1.key }.map(\.value).joined(separator: " ")))
    }
    // Without Muon it is the last but one of the steps above.
    for (name, title, setting) in [
      ("without-latent", "Multi-head attention in place of latent", "attention=multiHead positions=rotary"),
      ("without-mixture", "SwiGLU in place of the mixture", "feed-forward=swiGLU"),
      ("without-rmsnorm", "LayerNorm in place of RMSNorm", "norm=layerNorm"),
    ] {
      arms.append(PlannedArm(name, "NanoKimiK2: \(title)", "model=nanokimik2 optimizer=muon \(setting)"))
      comparisons.append(.init(label: title, arm: name, others: ["nanokimik2"]))
    }
    comparisons.append(.init(label: "All together", arm: "nanokimik2", others: ["nanogpt2"]))
    return StudyPlan(
      name: "ladder-stories", preset: .stories,
      settings: [GivenFlag(name: "keep", value: "1"), GivenFlag(name: "checkpoint-every", value: "500")], arms: arms,
      comparisons: comparisons, margin: 0.01)
  }
}
