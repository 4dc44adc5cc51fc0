public import NanoModels
public import NanoOptim

/// A study under a name.
public enum Preset: String, CaseIterable, Hashable, Sendable, Codable {
  /// The published study of characters, its unusual attention scale included.
  case publishedCharacters = "seed"
  /// The same with the attention scaled by the width of a head, as is usual.
  case standard
  /// The same text and tokens with the strongest recipes found: what is changed is the model, its optimizer and both.
  case best
  /// TinyStories.
  case stories

  /// What the study's text is, and so what its tokens are.
  public var corpusKind: CorpusRecipe.Kind { self == .stories ? .stories : .characters }

  /// The models of the study's arms, in their order.
  public var models: [ModelName] {
    switch self {
    case .publishedCharacters, .standard: [.nanoGPT, .nanoKimi]
    case .best: [.nanoBest]
    case .stories: [.nanoGPT, .nanoKimiK2, .nanoGPTTotal]
    }
  }

  /// The optimizer of a model where none is named.
  public func optimizer(of model: ModelName) -> OptimizerName { self == .best ? .soap : model.optimizer }

  /// What the study compares with what, among these arms.
  public var comparisons: [Study.Comparison] {
    guard self == .stories else { return [] }
    let (gpt, total) = (ModelName.nanoGPT.rawValue, ModelName.nanoGPTTotal.rawValue)
    func comparison(_ label: String, _ others: [String], _ axis: Study.Comparison.Axis) -> Study.Comparison {
      Study.Comparison(label: label, arm: ModelName.nanoKimiK2.rawValue, others: others, axis: axis)
    }
    return [
      comparison("Active-matched", [gpt], .tokens), comparison("Total-matched", [total], .tokens),
      comparison("Wall-clock-matched", [gpt, total], .trainingTime),
    ]
  }

  /// The study with one seed, and so with one run of each of its models.
  public func study(seed: UInt64 = 1337) throws(ConfigurationError) -> Study {
    var arms: [Arm] = []
    for name in models {
      arms.append(Arm(name: name.rawValue, title: name.displayName, experiment: try experiment(name)))
    }
    return Study(name: rawValue, arms: arms, seeds: [seed], comparisons: comparisons)
  }

  /// Characters, pieces of stories.
  public var vocabularySize: Int { self == .stories ? 4096 : 65 }
  /// Tokens that a model sees at once.
  public var contextLength: Int { self == .stories ? 256 : 32 }

  /// A model as this study has it. Of stories a NanoGPT is GPT-2's.
  public func recipe(of name: ModelName) throws(ConfigurationError) -> ModelRecipe {
    var recipe: ModelRecipe
    switch name {
    case .nanoGPT: recipe = ModelRecipe(self == .stories ? .nanoGPT2 : .nanoGPT)
    case .nanoKimi: recipe = ModelRecipe(.nanoKimi)
    case .nanoBest: recipe = ModelRecipe(.nanoBest)
    case .nanoGPT2, .nanoGPTTotal: recipe = ModelRecipe(.nanoGPT2)
    case .nanoKimiK2: recipe = ModelRecipe(.nanoKimiK2)
    }
    switch recipe.preset {
    case .nanoGPT, .nanoKimi:
      try recipe.set("attentionScale", to: self == .standard || self == .stories ? "headWidth" : "modelWidth")
    case .nanoBest: break
    case .nanoGPT2, .nanoKimiK2:
      try recipe.set("size", to: (self == .stories ? FamilySize.small : .tiny).rawValue)
    }
    return recipe
  }

  /// The model of this study that a configuration is; nil where it differs from all of them.
  public func name(of model: DecoderConfiguration) -> ModelName? {
    ModelName.allCases.first { name in
      let own = try? recipe(of: name).configuration(
        vocabularySize: model.vocabularySize, contextLength: model.contextLength)
      return own == model
    }
  }

  /// A model of this study, trained as the study trains.
  public func experiment(
    _ name: ModelName, optimizer: OptimizerName? = nil, size: FamilySize? = nil, vocabularySize: Int? = nil,
    contextLength: Int? = nil
  ) throws(ConfigurationError) -> Experiment {
    let (vocabulary, context) = (vocabularySize ?? self.vocabularySize, contextLength ?? self.contextLength)
    func configuration(_ name: ModelName) throws(ConfigurationError) -> DecoderConfiguration {
      var recipe = try recipe(of: name)
      if let size { try recipe.set("size", to: size.rawValue) }
      return try recipe.configuration(vocabularySize: vocabulary, contextLength: context)
    }
    var model = try configuration(name)
    if name == .nanoGPTTotal { model = model.matchingParameters(of: try configuration(.nanoKimiK2)) }
    return experiment(model, named: name, optimizer: optimizer)
  }

  /// The same of a model whose parts are decided.
  public func experiment(
    _ model: DecoderConfiguration, named name: ModelName, optimizer: OptimizerName? = nil
  ) -> Experiment {
    let optimizer = optimizer ?? self.optimizer(of: name)
    var experiment: Experiment
    switch self {
    case .publishedCharacters, .standard:
      experiment = Experiment(
        model: model, optimizer: self.optimizer(optimizer), schedule: ScheduleRecipe(.constant),
        corpus: CorpusRecipe(.characters), iterations: 10_000, batchSize: 16, shardCount: 2,
        evaluation: .publishedProtocol, evaluationInterval: 100,
        samples: .characters)
      experiment.timedForwards = 100
      experiment.recordInterval = 10
    case .best:
      experiment = Experiment(
        model: model, optimizer: self.optimizer(optimizer), schedule: ScheduleRecipe(.linear, warmUpSteps: 100),
        corpus: CorpusRecipe(.characters), iterations: 10_000, batchSize: 16, shardCount: 2,
        evaluation: .fullPass(windowsOnTheWay: 512), evaluationInterval: 1_000, samples: .characters)
      experiment.averagedShare = 0.2
      experiment.sampling = .epochs
      experiment.recordInterval = 10
    case .stories:
      experiment = Experiment(
        model: model, optimizer: self.optimizer(optimizer),
        schedule: ScheduleRecipe(.cosine, warmUpSteps: 100, finalShare: 0.1), corpus: CorpusRecipe(.stories),
        iterations: 2_000, batchSize: 16, shardCount: 6, evaluation: .fullPass(windowsOnTheWay: 64),
        evaluationInterval: 250, samples: .stories)
      experiment.gradientClip = 1
    }
    // The plain baselines stay what they are elsewhere; Muon is what makes logits grow.
    if name == .nanoKimiK2 || optimizer.isMuon { experiment.rules.queryKeyClip = 100 }
    return experiment
  }

  /// An optimizer with this study's settings.
  public func optimizer(_ name: OptimizerName) -> OptimizerRecipe {
    let adamW =
      switch self {
      case .publishedCharacters, .standard: AdamW(learningRate: 1e-3)
      case .best where name == .soap: AdamW(learningRate: 1e-2, weightDecay: 0.1)
      case .best: AdamW(learningRate: 5e-3)
      case .stories: AdamW(learningRate: 2e-3, beta2: 0.95, weightDecay: 0.1)
      }
    let plain = OptimizerRecipe.adamW(adamW, vectorDecay: self == .stories ? 0 : nil)
    func muon(_ rule: Muon) -> OptimizerRecipe {
      var rule = rule
      rule.weightDecay = adamW.weightDecay
      if self == .best { (rule.learningRate, rule.weightDecay) = (0.008, 0.1) }
      return plain.with(.muon(rule), for: [.hiddenMatrix, .expertMatrix])
    }
    switch name {
    case .adamW: return plain
    case .trueMuon: return plain.with(.trueMuon(TrueMuon(learningRate: 1e-2)), for: ParameterKind.matrices)
    case .muon:
      var rule = Muon.moonlight
      // Its updates have the root mean square of AdamW's, so the same rate suits it.
      rule.learningRate = adamW.learningRate
      return muon(rule)
    case .kellerJordan: return muon(.kellerJordan)
    case .polarExpress: return muon(Muon(orthogonalization: .newtonSchulz(.polarExpress.prefix(3))))
    case .pyTorch: return muon(.pyTorch)
    case .optax: return muon(.optax)
    case .dion: return muon(.dion)
    case .norMuon: return muon(.norMuon)
    case .adaMuon: return muon(.adaMuon)
    case .muonEq: return muon(.muonEq)
    case .muonPlus: return muon(.muonPlus)
    case .turboMuon: return muon(.turboMuon)
    case .cautious: return muon(.cautious)
    case .hyperball:
      // Its norm cannot grow, so nothing has to decay.
      return plain.with(.muon(.hyperball), for: [.hiddenMatrix, .expertMatrix])
    case .soap:
      var rule = SOAP(weightDecay: adamW.weightDecay)
      // Found together: the same rate and decay for all parameters.
      if self == .best { rule.learningRate = adamW.learningRate }
      return plain.with(.soap(rule), for: [.hiddenMatrix, .expertMatrix])
    case .lion:
      // A third of AdamW's rate and three times its decay: the near end of what the paper advises.
      var rule = Lion(learningRate: adamW.learningRate / 3, weightDecay: 3 * adamW.weightDecay)
      let matrices = OptimizerRecipe.Group(ParameterKind.matrices + ParameterKind.tables, .lion(rule))
      if self == .stories { rule.weightDecay = 0 }
      return OptimizerRecipe(groups: [matrices, .init(ParameterKind.vectors, .lion(rule))])
    case .sgd:
      return OptimizerRecipe(groups: [
        .init(ParameterKind.allCases, .sgd(SGD(learningRate: 0.1, momentum: 0.9)))
      ])
    }
  }
}

/// A model under a name.
public enum ModelName: String, CaseIterable, Hashable, Sendable, Codable {
  case nanoGPT = "nanogpt"
  case nanoKimi = "nanokimi"
  case nanoBest = "nanobest"
  case nanoGPT2 = "nanogpt2"
  case nanoKimiK2 = "nanokimik2"
  /// A NanoGPT2 with as many parameters as NanoKimiK2 has in total.
  case nanoGPTTotal = "nanogpt-total"

  /// For people.
  public var displayName: String { ModelRecipe.Preset(rawValue: rawValue)?.displayName ?? "NanoGPT (total)" }

  /// Whether it is of the NanoGPT family.
  public var isGPT: Bool {
    switch self {
    case .nanoGPT, .nanoGPT2, .nanoGPTTotal: true
    case .nanoKimi, .nanoBest, .nanoKimiK2: false
    }
  }

  /// The optimizer that it has where none is named.
  public var optimizer: OptimizerName {
    switch self {
    case .nanoGPT, .nanoGPT2, .nanoGPTTotal: .adamW
    case .nanoKimi: .trueMuon
    case .nanoBest: .soap
    case .nanoKimiK2: .muon
    }
  }
}

/// An optimizer under a name.
public enum OptimizerName: String, CaseIterable, Hashable, Sendable, Codable {
  /// AdamW on everything.
  case adamW = "adamw"
  /// Muon in Moonlight's convention on hidden matrices, each expert by itself; AdamW on the rest.
  case muon
  /// The same in the conventions of others.
  case kellerJordan = "muon-keller-jordan"
  /// Keller Jordan's with three steps of the Polar Express, which are faster and no worse.
  case polarExpress = "muon-polar-express"
  case pyTorch = "muon-pytorch"
  case optax = "muon-optax"
  case dion = "muon-dion"
  /// Rules that add a part before or behind the orthogonalization.
  case norMuon = "normuon"
  case adaMuon = "adamuon"
  case muonEq = "muon-eq"
  case muonPlus = "muon-plus"
  case turboMuon = "turbo-muon"
  case cautious = "muon-cautious"
  /// A rule under which each matrix keeps its norm.
  case hyperball = "muon-h"
  /// The published study's, on all matrices, the routers' included; AdamW on the rest.
  case trueMuon = "truemuon"
  /// SOAP on hidden matrices, each expert by itself; AdamW on the rest.
  case soap
  /// Lion on everything.
  case lion
  case sgd

  /// Whether it is of the Muon family, and leaves routers to AdamW.
  var isMuon: Bool {
    switch self {
    case .muon, .kellerJordan, .polarExpress, .pyTorch, .optax, .dion, .norMuon, .adaMuon, .muonEq, .muonPlus,
      .turboMuon, .cautious, .hyperball:
      true
    case .adamW, .trueMuon, .soap, .lion, .sgd: false
    }
  }
}
