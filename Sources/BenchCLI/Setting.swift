import ArgumentParser
import NanoExperiments
import NanoModels
import NanoOptim
import NanoTensor

/// A setting of an experiment that has a flag, and stands in an arm under the same name.
struct Setting {
  /// The flag without its dashes.
  let flag: String
  /// What an ``ExperimentError`` calls it; nil where it never names it.
  private let words: String?
  /// What an experiment must have for it.
  private let condition: String
  /// Sets it; false where the experiment has no such thing.
  private let set: (inout Experiment, _ text: String) throws -> Bool

  private init(
    _ flag: String, _ words: String? = nil, needs condition: String = "",
    _ set: @escaping (inout Experiment, String) throws -> Bool
  ) {
    self.flag = flag
    self.words = words
    self.condition = condition
    self.set = set
  }

  static func flag(ofSetting words: String) -> String? {
    words == "models" || words == "seeds" ? words : all.first { $0.words == words }?.flag
  }

  /// Applies flags to some arms.
  /// - Throws: for a flag that is not known, that no arm has a use for, or whose value cannot be.
  static func apply(_ flags: [GivenFlag], to experiments: inout [Experiment], of owner: String? = nil) throws {
    for flag in flags where !all.contains(where: { $0.flag == flag.name }) { throw unknown(flag, of: owner) }
    for setting in all {
      for flag in flags where flag.name == setting.flag {
        var isUsed = false
        for index in experiments.indices {
          if try setting.set(&experiments[index], flag.value) { isUsed = true }
        }
        guard isUsed else {
          let name = owner.map { "'\(flag.name)' of \($0)" } ?? "--\(flag.name)"
          throw ValidationError("\(name) has no effect here: \(setting.condition); leave it out")
        }
      }
    }
  }

  /// Throws for a flag that is neither a setting's nor a part's of a model.
  static func requireKnown(_ flags: [GivenFlag], of owner: String) throws {
    for flag in flags where !knownFlags.contains(flag.name) { throw unknown(flag, of: owner) }
  }

  private static var knownFlags: [String] {
    ["model", "optimizer", "context"] + ModelRecipe.keys.map(ModelSetting.flag) + all.map(\.flag)
  }

  private static func unknown(_ flag: GivenFlag, of owner: String?) -> ValidationError {
    ValidationError(
      "\(owner ?? "this study") has no setting '\(flag.name)'; \(Spelling.advice(for: flag.name, known: knownFlags))")
  }

  // MARK: All of them, in the order in which they are applied

  static var all: [Setting] { optimizers + training + evaluation }

  private static var optimizers: [Setting] {
    [
      Setting("lr", "learning rate") { experiment, text in
        let rate: Float = try value(text, "lr")
        return experiment.changeRules(where: { !$0.rule.isOfMuonFamily && !$0.hasOwnRate }) { $0.learningRate = rate }
      },
      rate(of: .embedding, "embedding-lr"),
      rate(of: .outputHead, "head-lr", needs: "no model of this study has a head of its own") {
        $0.model.head != .tied
      },
      Setting("muon-lr", "Muon's learning rate", needs: "no optimizer of this study is a Muon") { experiment, text in
        let rate: Float = try value(text, "muon-lr")
        return experiment.changeRules(where: \.rule.isOfMuonFamily) { $0.learningRate = rate }
      },
      Setting("weight-decay", "weight decay") { experiment, text in
        let decay: Float = try value(text, "weight-decay")
        // Where gains and biases are apart they are apart because they do not decay.
        return experiment.changeRules(where: { $0.kinds.contains { ![.gain, .bias].contains($0) } }) {
          $0.weightDecay = decay
        }
      },
      Setting("orthogonalizer", needs: "no optimizer of this study is a Muon") { experiment, text in
        let orthogonalization = try Orthogonalizer(text).orthogonalization
        return experiment.changeRules(where: \.rule.isOfMuonFamily) { $0.orthogonalization = orthogonalization }
      },
      Setting("precondition-frequency", "precondition frequency", needs: "no optimizer of this study is SOAP") {
        experiment, text in
        let frequency: Int = try value(text, "precondition-frequency")
        return experiment.changeRules(where: { $0.rule.preconditionFrequency != nil }) {
          $0.preconditionFrequency = frequency
        }
      },
      Setting("schedule") { experiment, text in
        experiment.schedule.form = try choose(text, for: "schedule")
        return true
      },
      number("warmup", "warm-up", \.schedule.warmUpSteps),
      number("final-lr", "final learning rate", \.schedule.finalShare),
      optional("clip", "gradient clip", \.gradientClip),
      optional("qk-clip", "QK-clip", \.rules.queryKeyClip),
      Setting("bias-rate", "bias rate", needs: "no model of this study has a sparse mixture of experts") {
        experiment, text in
        experiment.rules.selectionBiasRate = try value(text, "bias-rate")
        return experiment.model.sparseMoE != nil
      },
    ]
  }

  private static var training: [Setting] {
    [
      number("iterations", "iterations", \.iterations), number("batch", "batch size", \.batchSize),
      number("accumulate", "number of micro-batches", \.microBatchCount),
      number("shards", "number of shards", \.shardCount),
      Setting("sampling") { experiment, text in
        experiment.sampling = try choose(text, for: "sampling")
        return true
      },
      Setting("precision") { experiment, text in
        experiment.precision = try choose(text, for: "precision")
        return true
      },
      Setting("dropout", "dropout", needs: "no model of this study has an MLP or a dense mixture") { experiment, text in
        switch experiment.model.feedForward {
        case .mlp, .denseMoE: experiment.dropout = try value(text, "dropout")
        case .swiGLU, .sparseMoE: return false
        }
        return true
      },
      Setting("average", "averaged share") { experiment, text in
        let share: Float = try value(text, "average")
        experiment.averagedShare = share == 0 ? nil : share
        return true
      },
      Setting("activation-checkpointing") { experiment, text in
        experiment.checkpointsActivations = try value(text, "activation-checkpointing")
        return true
      },
      Setting("memory-limit", "memory limit") { experiment, text in
        experiment.memoryLimit = try ByteCount(text).bytes
        return true
      },
    ]
  }

  private static var evaluation: [Setting] {
    [
      number("eval-interval", "evaluation interval", \.evaluationInterval),
      Setting("evaluation") { experiment, text in
        switch try choose(text, for: "evaluation") as EvaluationName {
        case .random: experiment.evaluation = .publishedProtocol
        case .full: experiment.evaluation = .fullPass(windowsOnTheWay: 64)
        }
        return true
      },
      number("eval-iters", "size of an evaluation", \.evaluation.count),
      number("record-every", "record interval", \.recordInterval),
      Setting("sample-every", "sample interval") { experiment, text in
        experiment.samples.interval = try value(text, "sample-every") as Int
        return true
      },
      Setting("checkpoint-every", "checkpoint interval") { experiment, text in
        experiment.checkpointInterval = try value(text, "checkpoint-every") as Int
        return true
      },
      number("keep", "number of kept checkpoints", \.keptCheckpoints),
    ]
  }

  // MARK: Forms of settings

  private static func rate(
    of kind: ParameterKind, _ flag: String, needs condition: String = "",
    _ applies: @escaping (Experiment) -> Bool = { _ in true }
  ) -> Setting {
    Setting(flag, "learning rate", needs: condition) { experiment, text in
      let rate: Float = try value(text, flag)
      if applies(experiment) { experiment.optimizer.setLearningRate(rate, of: kind) }
      return applies(experiment)
    }
  }

  private static func number<Value: LosslessStringConvertible>(
    _ flag: String, _ words: String, _ path: WritableKeyPath<Experiment, Value>
  ) -> Setting {
    Setting(flag, words) { experiment, text in
      experiment[keyPath: path] = try value(text, flag)
      return true
    }
  }

  /// A number of which 0 means none.
  private static func optional(
    _ flag: String, _ words: String, _ path: WritableKeyPath<Experiment, Float?>
  ) -> Setting {
    Setting(flag, words) { experiment, text in
      let number: Float = try value(text, flag)
      experiment[keyPath: path] = number == 0 ? nil : number
      return true
    }
  }

  private static func value<Value: LosslessStringConvertible>(_ text: String, _ flag: String) throws -> Value {
    guard let value = Value(text) else { throw ValidationError("The value '\(text)' is invalid for '\(flag)'") }
    // Where 0 means none, what was meant is not.
    if let number = value as? Float, number == 0, let exact = Double(text), exact != 0 {
      throw ValidationError("The value '\(text)' is invalid for '\(flag)': it is too small to be told from 0")
    }
    return value
  }
}

extension OptimizerRecipe.Group {
  /// Whether it is apart because of its rate, which no other setting changes.
  fileprivate var hasOwnRate: Bool { kinds == [.embedding] || kinds == [.outputHead] }
}

extension Experiment {
  /// - Returns: whether there is such a group.
  fileprivate mutating func changeRules(
    where isMeant: (OptimizerRecipe.Group) -> Bool, _ change: (inout OptimizerRule) -> Void
  ) -> Bool {
    var isChanged = false
    for index in optimizer.groups.indices where isMeant(optimizer.groups[index]) {
      change(&optimizer.groups[index].rule)
      isChanged = true
    }
    return isChanged
  }
}
