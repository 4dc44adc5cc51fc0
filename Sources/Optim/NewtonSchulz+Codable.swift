internal import NanoTensor

extension NewtonSchulz {
  // Not private: the compiler writes `encode(to:)` in the file of the type, and has to see the keys from there.
  enum CodingKeys: String, CodingKey {
    case coefficients, epsilon, safetyFactor, scaling, precision
  }

  /// Reads iterations that were written while all of them were scaled by the Frobenius norm too.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      coefficients: try container.decode([Coefficients].self, forKey: .coefficients),
      epsilon: try container.decode(Float.self, forKey: .epsilon),
      safetyFactor: try container.decode(Float.self, forKey: .safetyFactor),
      scaling: try container.decodeIfPresent(Scaling.self, forKey: .scaling) ?? .frobeniusNorm,
      precision: try container.decode(Precision.self, forKey: .precision))
  }
}
