import Foundation
public import NanoAutograd

/// The operations written plainly in Double.
public enum Reference {
  /// y = x Wᵀ + b; x N×I, W O×I.
  public static func linear(_ x: [Double], _ w: [Double], _ b: [Double]?, inputs: Int) -> [Double] {
    let outputs = w.count / inputs
    return (0..<x.count / inputs * outputs).map { index in
      let (n, o) = index.quotientAndRemainder(dividingBy: outputs)
      return (0..<inputs).reduce(b?[o] ?? 0) { $0 + x[n * inputs + $1] * w[o * inputs + $1] }
    }
  }

  public static func softmax(_ x: [Double], width: Int) -> [Double] {
    rows(x, width).flatMap { row -> [Double] in
      let e = row.map { exp($0 - row.max()!) }
      return e.map { $0 / e.reduce(0, +) }
    }
  }

  public static func layerNorm(_ x: [Double], _ gain: [Double], _ bias: [Double]) -> [Double] {
    rows(x, gain.count).flatMap { row -> [Double] in
      let mean = row.reduce(0, +) / Double(row.count)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
      return row.indices.map {
        gain[$0] * (row[$0] - mean) / (variance + 1e-5).squareRoot() + bias[$0]
      }
    }
  }

  public static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  public static func silu(_ x: Double) -> Double { x * sigmoid(x) }

  /// Rows [u | v] of 2·width.
  public static func swiGLU(_ x: [Double], width: Int) -> [Double] {
    rows(x, 2 * width).flatMap { row in (0..<width).map { silu(row[$0]) * row[width + $0] } }
  }

  /// Pairs of channels turned by t · base^(-2i/width).
  public static func rotated(
    _ x: [Double], width: Int, length: Int, layout: RotaryEmbedding.Layout, base: Double = 100
  ) -> [Double] {
    var result = x
    for row in 0..<x.count / width {
      for pair in 0..<width / 2 {
        let angle = Double(row % length) * pow(base, -2 * Double(pair) / Double(width))
        let first = row * width + (layout == .interleaved ? 2 * pair : pair)
        let second = first + (layout == .interleaved ? 1 : width / 2)
        result[first] = x[first] * cos(angle) - x[second] * sin(angle)
        result[second] = x[second] * cos(angle) + x[first] * sin(angle)
      }
    }
    return result
  }

  /// Rows [q | k | v].
  /// - Parameter mask: the factor on a probability of a sequence, head, row and column.
  public static func attention(
    _ x: [Double], length: Int, heads: Int, width: Int, scale: Double,
    mask: (Int, Int, Int, Int) -> Double = { _, _, _, _ in 1 }
  ) -> [Double] {
    let model = heads * width
    var result = [Double](repeating: 0, count: x.count / 3)
    for sequence in 0..<x.count / (3 * model * length) {
      for head in 0..<heads {
        for i in 0..<length {
          func at(_ row: Int, _ part: Int, _ d: Int) -> Double {
            x[(sequence * length + row) * 3 * model + part * model + head * width + d]
          }
          let scores = (0...i).map { j in
            scale * (0..<width).reduce(0) { $0 + at(i, 0, $1) * at(j, 1, $1) }
          }
          let p = softmax(scores, width: i + 1)
          for d in 0..<width {
            result[(sequence * length + i) * model + head * width + d] =
              (0...i).reduce(0) { $0 + p[$1] * mask(sequence, head, i, $1) * at($1, 2, d) }
          }
        }
      }
    }
    return result
  }

  /// Σ_e g_e (W_e h_e + b_e)
  public static func mixture(
    _ h: [Double], _ gates: [Double], _ w: [Double], _ b: [Double], experts: Int, inputs: Int
  ) -> [Double] {
    let outputs = b.count / experts
    return (0..<gates.count / experts * outputs).map { index in
      let (n, o) = index.quotientAndRemainder(dividingBy: outputs)
      return (0..<experts).reduce(0) { sum, e in
        let y = (0..<inputs).reduce(b[e * outputs + o]) {
          $0 + w[(e * outputs + o) * inputs + $1] * h[(n * experts + e) * inputs + $1]
        }
        return sum + gates[n * experts + e] * y
      }
    }
  }

  private static func rows(_ x: [Double], _ width: Int) -> [[Double]] {
    stride(from: 0, to: x.count, by: width).map { Array(x[$0..<$0 + width]) }
  }
}
