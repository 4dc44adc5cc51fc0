import ArgumentParser
import Foundation
import NanoData
import NanoExperiments
import NanoModels
import NanoOptim
import NanoTraining

/// Makes a study from the flags of a command line.
struct StudyBuilder {
  let preset: Preset
  private let isPresetGiven: Bool
  /// Separated by commas; nil for the preset's.
  private let models: String?
  /// Arms in place of models.
  private let arms: [ArmText]
  /// Of models, optimizers, training, evaluations and checkpoints.
  private let flags: [GivenFlag]

  init(preset: String?, models: String?, arms: [ArmText] = [], flags: [GivenFlag]) throws {
    self.preset = try choose(preset, for: "preset") ?? .publishedCharacters
    isPresetGiven = preset != nil
    self.models = models
    self.arms = arms
    self.flags = flags
  }

  /// What decides about the form of an experiment, before the other settings change it.
  private static let formative = ["model", "optimizer", "kimi-optimizer", "gpt-optimizer", "context", "seed", "seeds"]

  private func flag(_ name: String) -> String? { flags.last { $0.name == name }?.value }

  /// Settings of an experiment that neither form it nor are its model's.
  private static func others(_ flags: [GivenFlag]) -> [GivenFlag] {
    flags.filter { !formative.contains($0.name) && ModelSetting.key(of: $0.name) == nil }
  }

  var seeds: [UInt64] {
    get throws {
      guard let seeds = flag("seeds") else { return [try flag("seed").map { try number($0, "seed") } ?? 1337] }
      guard flag("seed") == nil else { throw ValidationError("give --seed or --seeds, not both") }
      return try SeedList(seeds).seeds
    }
  }

  // MARK: New studies

  /// The arms that are asked for, each with the settings of its own.
  private func armTexts() throws -> [ArmText] {
    guard arms.isEmpty else {
      guard models == nil else { throw ValidationError("give --models or --arm, not both") }
      return arms
    }
    let names = models?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    guard names?.isEmpty != true else { throw ValidationError("--models must name at least one model") }
    return (names ?? preset.models.map(\.rawValue)).map { ArmText(name: $0, settings: []) }
  }

  /// The study that flags and preset make together.
  /// - Parameters:
  ///   - vocabulary: of the tokenizer, where it is known.
  ///   - initial: what its one model begins with.
  func newStudy(
    corpus: CorpusRecipe, vocabulary: Int? = nil, initial: (path: String, contents: ModelFolder.Contents)? = nil
  ) throws -> Study {
    let texts = try armTexts()
    if let initial {
      guard texts.count == 1 || models == nil && self.arms.isEmpty else {
        throw ValidationError("--init has weights for one model alone; leave the others out")
      }
      if let flag = ModelSetting.all(in: flags).first?.flag {
        throw ValidationError("--\(flag.name) is for a new model; the one in \(initial.path) has its own")
      }
    }
    let vocabulary = vocabulary ?? preset.vocabularySize
    var arms: [Arm] = []
    var used: Set<String> = []
    for text in initial == nil ? texts : [try initialArm(texts, initial!)] {
      arms.append(try arm(text, vocabulary, initial, &used))
    }
    try requireUse(of: used)
    try requireUseOfFamilies(texts)
    var experiments = arms.map(\.experiment)
    try Setting.apply(Self.others(flags), to: &experiments)
    for index in arms.indices {
      let text = texts[initial == nil ? index : 0]
      var own = [experiments[index]]
      try Setting.apply(Self.others(text.settings), to: &own, of: "the arm \(text.name)")
      arms[index].experiment = own[0]
      if flag("shards") == nil, text.value("shards") == nil { arms[index].experiment.adoptSuitableShardCount() }
      if text.settings.isEmpty, initial == nil { arms[index].title = try title(of: text.model, arms[index].experiment) }
      if let initial { arms[index].experiment.initialWeights = try InitialWeights(initial.path) }
    }
    guard flag("final-lr") == nil || arms.contains(where: { $0.experiment.schedule.form != .constant }) else {
      throw ValidationError(
        "--final-lr has no effect here: the rate is constant, and --schedule names another form; leave it out")
    }
    var study = Study(
      name: preset.rawValue, arms: arms, seeds: try seeds,
      comparisons: self.arms.isEmpty && initial == nil ? preset.comparisons : [])
    study.corpus = corpus
    study.command = Invocation.text
    return study
  }

  private typealias Initial = (path: String, contents: ModelFolder.Contents)

  /// What the one model is called that begins with given weights: what it is, or what the arm says.
  private func initialArm(_ texts: [ArmText], _ initial: Initial) throws -> ArmText {
    guard let decoder = initial.contents.model.configuration as? DecoderConfiguration else {
      throw RunError("\(initial.path): not a model that can be trained here")
    }
    let name = name(of: decoder)
    guard arms.isEmpty else { return texts[0] }
    guard models == nil || texts[0].name == name.rawValue else {
      throw ValidationError("--init has weights for \(name.rawValue) alone; name no other model")
    }
    return ArmText(name: name.rawValue, settings: [])
  }

  /// The model of the preset that it is; of others that of the same kind.
  private func name(of decoder: DecoderConfiguration) -> ModelName {
    if let name = preset.name(of: decoder) { return name }
    return switch decoder.feedForward {
    case .sparseMoE: .nanoKimiK2
    case .denseMoE: decoder.hasPreviousTokenEmbedding ? .nanoBest : .nanoKimi
    case .mlp, .swiGLU: .nanoGPT
    }
  }

  private func arm(
    _ text: ArmText, _ vocabulary: Int, _ initial: Initial?, _ used: inout Set<String>
  ) throws -> Arm {
    let name = try text.model
    for flag in text.settings where flag.name.hasPrefix("seed") || flag.name.hasSuffix("-optimizer") {
      throw ValidationError("the arm \(text.name) has no setting '\(flag.name)'")
    }
    let context: Int? = try (text.value("context") ?? flag("context")).map { try number($0, "context") }
    var model: DecoderConfiguration
    if let initial, let given = initial.contents.model.configuration as? DecoderConfiguration {
      model = given
    } else {
      let context = context ?? preset.contextLength
      model = try self.model(name, text, &used).configuration(
        vocabularySize: vocabulary, contextLength: context)
      if name == .nanoGPTTotal {
        let kimi = try self.model(.nanoKimiK2, text, &used)
        model = model.matchingParameters(
          of: try kimi.configuration(vocabularySize: vocabulary, contextLength: context))
      }
    }
    var experiment = preset.experiment(model, named: name, optimizer: try optimizer(text, name))
    if let context { experiment.sequenceLength = context }
    if Build.isDebug {
      experiment.iterations = preset == .stories ? 10 : 100
      if preset != .stories {
        experiment.evaluationInterval = 50
        experiment.evaluation.count = 5
      }
    }
    return Arm(
      name: text.name, title: text.settings.isEmpty ? name.displayName : text.name, experiment: experiment)
  }

  /// A model's recipe with the flags that it has a use for, and the settings of its arm.
  private func model(
    _ name: ModelName, _ text: ArmText, _ used: inout Set<String>
  ) throws -> ModelRecipe {
    var recipe = try preset.recipe(of: name)
    // Parts that the arm names come first: what else applies follows from them.
    for (flag, key) in ModelSetting.all(in: text.settings) {
      do {
        try recipe.set(key, to: flag.value)
      } catch {
        throw ValidationError("the arm \(text.name): \(error)")
      }
    }
    for (flag, key) in ModelSetting.all(in: flags)
    where text.settings.allSatisfy({ ModelSetting.key(of: $0.name) != key }) {
      guard try ModelSetting.obstacle(to: key, flag.value, in: recipe) == nil else { continue }
      try recipe.set(key, to: flag.value)
      used.insert(flag.name)
    }
    return recipe
  }

  /// Throws for a flag that no model has a use for.
  private func requireUse(of used: Set<String>) throws {
    for (flag, key) in ModelSetting.all(in: flags) where !used.contains(flag.name) {
      let text = try armTexts()[0]
      let reason = try ModelSetting.obstacle(to: key, flag.value, in: preset.recipe(of: text.model))
      throw ValidationError("--\(flag.name) has no effect here: \(reason ?? "every arm sets it"); leave it out")
    }
  }

  /// The same for an optimizer of one family of models.
  private func requireUseOfFamilies(_ texts: [ArmText]) throws {
    for (name, isGPT) in [("gpt-optimizer", true), ("kimi-optimizer", false)] where flag(name) != nil {
      guard flag("optimizer") == nil else {
        throw ValidationError("--\(name) has no effect here: --optimizer is for all models; leave one of them out")
      }
      guard try texts.contains(where: { try $0.value("optimizer") == nil && $0.model.isGPT == isGPT }) else {
        throw ValidationError("--\(name) has no effect here: no model of this study is of that family; leave it out")
      }
    }
  }

  /// What a model is called that is no arm with a name: itself, and in what it differs from the preset's.
  private func title(of name: ModelName, _ experiment: Experiment) throws -> String {
    let size: FamilySize? = try choose(flag("size"), for: "size")
    let optimizer = try optimizer(ArmText(name: name.rawValue, settings: []), name) ?? preset.optimizer(of: name)
    var differences: [String] = []
    if let size, size != .small, experiment.model.width == (try? preset.experiment(name, size: size))?.model.width {
      differences.append(size.rawValue)
    }
    if optimizer != name.optimizer { differences.append(optimizer.rawValue) }
    if flag("embd") != nil, experiment.model.width != (try? preset.experiment(name, size: size))?.model.width {
      differences.append("width \(experiment.model.width)")
    }
    let usual = preset.optimizer(optimizer).groups
    for (isMuon, words) in [(false, "rate"), (true, "Muon's rate")] {
      func rate(_ groups: [OptimizerRecipe.Group]) -> Float? {
        groups.first { $0.rule.isOfMuonFamily == isMuon }?.rule.learningRate
      }
      if let own = rate(experiment.optimizer.groups), own != rate(usual) { differences.append("\(words) \(own)") }
    }
    guard !differences.isEmpty else { return name.displayName }
    let plain = name.displayName.hasSuffix(")") ? name.displayName.dropLast() + ", " : name.displayName + " ("
    return plain + differences.joined(separator: ", ") + ")"
  }

  private func optimizer(_ text: ArmText, _ model: ModelName) throws -> OptimizerName? {
    let family = flag(model.isGPT ? "gpt-optimizer" : "kimi-optimizer")
    return try choose(text.value("optimizer") ?? flag("optimizer") ?? family, for: "optimizer")
  }

  private func number<Value: LosslessStringConvertible>(_ text: String, _ flag: String) throws -> Value {
    guard let value = Value(text) else { throw ValidationError("The value '\(text)' is invalid for '\(flag)'") }
    return value
  }

  // MARK: Studies that go on

  /// A study that was begun, with the settings that are now given.
  func changed(_ begun: Study, in folder: String) throws -> Study {
    if isPresetGiven, preset.rawValue != begun.name {
      throw ValidationError("\(folder): begun with another --preset, \(begun.name); leave it out to resume")
    }
    for flag in flags where flag.name.hasSuffix("optimizer") || ModelSetting.key(of: flag.name) != nil {
      throw ValidationError("--\(flag.name) is for a new run; leave it out to resume")
    }
    var now = begun
    if let models, models != begun.arms.map(\.name).joined(separator: ",") {
      throw ValidationError("\(folder): begun with other --models; leave it out to resume")
    }
    guard arms.isEmpty else { throw ValidationError("--arm is for a new run; leave it out to resume") }
    if flag("seed") != nil || flag("seeds") != nil { now.seeds = try seeds }
    var experiments = now.arms.map(\.experiment)
    try Setting.apply(Self.others(flags), to: &experiments)
    for index in now.arms.indices {
      if let context = flag("context") { experiments[index].sequenceLength = try number(context, "context") }
      now.arms[index].experiment = experiments[index]
    }
    return now
  }
}

/// An arm as a command line has it.
struct ArmText {
  var name: String
  var settings: [GivenFlag]

  init(name: String, settings: [GivenFlag]) {
    self.name = name
    self.settings = settings
  }

  /// `NAME: key=value key=value`, or a JSON object with a `name`.
  init(_ text: String) throws {
    if text.first(where: { !$0.isWhitespace }) == "{" {
      let flags = try SettingsFile(json: Data(text.utf8), of: "--arm").flags
      guard let name = flags.first(where: { $0.name == "name" })?.value else {
        throw ValidationError("--arm '\(text)': has no name")
      }
      self.init(name: name, settings: flags.filter { $0.name != "name" })
      return
    }
    guard let colon = text.firstIndex(of: ":") else {
      throw ValidationError("--arm '\(text)': not 'NAME: key=value key=value'")
    }
    let settings = try text[text.index(after: colon)...].split(whereSeparator: \.isWhitespace).map { word in
      guard let sign = word.firstIndex(of: "="), sign > word.startIndex else {
        throw ValidationError("--arm '\(text)': '\(word)' is not key=value")
      }
      return GivenFlag(name: String(word[..<sign]), value: String(word[word.index(after: sign)...]))
    }
    self.init(name: text[..<colon].trimmingCharacters(in: .whitespaces), settings: settings)
    if let name = Dictionary(grouping: settings, by: \.name).first(where: { $0.value.count > 1 })?.key {
      throw ValidationError("--arm '\(text)': '\(name)' is given twice; which is meant?")
    }
  }

  func value(_ name: String) -> String? { settings.first { $0.name == name }?.value }

  /// Its model; by default the one of its name.
  var model: ModelName {
    get throws {
      if let text = value("model") { return try choose(text, for: "model") }
      if let model = ModelName(rawValue: name) { return model }
      guard settings.isEmpty else {
        try Setting.requireKnown(settings, of: "the arm \(name)")
        throw ValidationError("the arm \(name) names no model: model=… with one of \(list(ModelName.self))")
      }
      return try choose(name, for: "model")
    }
  }
}
