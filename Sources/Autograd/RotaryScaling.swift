internal import Foundation

/// How a rotary embedding turns more slowly, for sequences longer than those that a model was first trained on.
public enum RotaryScaling: Hashable, Sendable, Codable {
  /// All angles are divided by the factor.
  case linear(factor: Double)
  /// Slow channels are divided by the factor, fast ones left alone.
  case yarn(YaRN)

  /// Of channel pair i with frequency `θ_i = base^(-2i/width)`: `θ_i (1 - r_i + r_i / factor)`, where r rises from 0
  /// to 1 between the pairs that turn `fastRotations` and `slowRotations` times in the original context.
  ///
  /// The rotated vectors are multiplied by ``amplitude``, the logits of attention by ``logitFactor``.
  /// - SeeAlso: Peng et al., 2023, arXiv:2309.00071; DeepSeek-AI, 2024, arXiv:2412.19437 for the two mscales.
  public struct YaRN: Hashable, Sendable, Codable {
    /// How many times longer contexts may be.
    public var factor: Double
    /// The context before it was made longer.
    public var originalContextLength: Int
    /// `beta_fast`: pairs that turn more often within the original context stay as they are.
    public var fastRotations: Double
    /// `beta_slow`: pairs that turn fewer times within the original context are interpolated.
    public var slowRotations: Double
    /// `mscale`; nil as 0.
    public var amplitudeScale: Double?
    /// `mscale_all_dim`; nil as 0.
    public var logitScale: Double?
    /// `attention_factor`; nil for what the two scales make of the factor.
    public var fixedAmplitude: Double?
    /// Whether r begins and ends at whole pairs.
    public var truncates: Bool

    /// A scaling to contexts `factor` times as long as the original one, which is in positions.
    public init(
      factor: Double, originalContextLength: Int, fastRotations: Double = 32, slowRotations: Double = 1,
      amplitudeScale: Double? = nil, logitScale: Double? = nil, fixedAmplitude: Double? = nil,
      truncates: Bool = true
    ) {
      self.factor = factor
      self.originalContextLength = originalContextLength
      self.fastRotations = fastRotations
      self.slowRotations = slowRotations
      self.amplitudeScale = amplitudeScale
      self.logitScale = logitScale
      self.fixedAmplitude = fixedAmplitude
      self.truncates = truncates
    }

    /// `0.1 · scale · ln(factor) + 1`
    private func magnitude(_ scale: Double) -> Double { factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1 }

    /// Factor on cosines and sines.
    public var amplitude: Double {
      if let fixedAmplitude { return fixedAmplitude }
      guard let amplitudeScale, let logitScale, amplitudeScale != 0, logitScale != 0 else {
        return magnitude(1)
      }
      return magnitude(amplitudeScale) / magnitude(logitScale)
    }

    /// Factor on the logits of attention.
    public var logitFactor: Double {
      guard let logitScale, logitScale != 0 else { return 1 }
      return magnitude(logitScale) * magnitude(logitScale)
    }

    /// r of pair `index` of `width` channels.
    func slowness(ofPair index: Int, width: Int, base: Double) -> Double {
      func pair(turning rotations: Double) -> Double {
        Double(width) * log(Double(originalContextLength) / (rotations * 2 * .pi)) / (2 * log(base))
      }
      var (first, last) = (pair(turning: fastRotations), pair(turning: slowRotations))
      if truncates { (first, last) = (first.rounded(.down), last.rounded(.up)) }
      first = max(first, 0)
      last = min(last, Double(width - 1))
      if first == last { last += 0.001 }
      return min(max((Double(index) - first) / (last - first), 0), 1)
    }
  }

  /// Factor on the frequency of pair `index` of `width` channels.
  func frequencyFactor(ofPair index: Int, width: Int, base: Double) -> Double {
    switch self {
    case .linear(let factor): return 1 / factor
    case .yarn(let yarn):
      let slowness = yarn.slowness(ofPair: index, width: width, base: base)
      return slowness / yarn.factor + (1 - slowness)
    }
  }

  /// Factor on cosines and sines.
  var amplitude: Double {
    switch self {
    case .linear: 1
    case .yarn(let yarn): yarn.amplitude
    }
  }

  /// Factor on the logits of attention.
  public var logitFactor: Double {
    switch self {
    case .linear: 1
    case .yarn(let yarn): yarn.logitFactor
    }
  }
}
