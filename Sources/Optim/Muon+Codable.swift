extension Muon {
  // Not private: the compiler writes `encode(to:)` in the file of the type, and has to see the keys from there.
  enum CodingKeys: String, CodingKey {
    case learningRate, momentum, momentumForm, usesNesterov, weightDecay, weightDecayForm, updateScale,
      directionNormalization, orthogonalization, updateNormalization, keepsNorm
  }

  /// Reads rules that were written while they had fewer parts too.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func value<Value: Decodable>(_ key: CodingKeys) throws -> Value { try container.decode(Value.self, forKey: key) }
    self.init(
      learningRate: try value(.learningRate), momentum: try value(.momentum), momentumForm: try value(.momentumForm),
      usesNesterov: try value(.usesNesterov), weightDecay: try value(.weightDecay),
      weightDecayForm: try container.decodeIfPresent(WeightDecayForm.self, forKey: .weightDecayForm) ?? .decoupled,
      updateScale: try value(.updateScale),
      directionNormalization: try container.decodeIfPresent(
        DirectionNormalization.self, forKey: .directionNormalization),
      orthogonalization: try value(.orthogonalization),
      updateNormalization: try container.decodeIfPresent(UpdateNormalization.self, forKey: .updateNormalization),
      keepsNorm: try container.decodeIfPresent(Bool.self, forKey: .keepsNorm) ?? false)
  }
}
