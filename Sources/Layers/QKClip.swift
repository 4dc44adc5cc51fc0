internal import Foundation
internal import NanoAutograd
internal import NanoPreconditions
internal import NanoTensor

extension MultiHeadLatentAttention {
  /// QK-clip: shrinks the queries and keys of every head whose largest logit passed the threshold, so that
  /// the same input would now give exactly the threshold.
  ///
  /// With γ = threshold / largest logit, the head's nope query and key rows are multiplied by √γ
  /// each and its rotary query rows by γ; the rotary key belongs to all heads and stays.
  /// - Parameter largestLogits: one a head, as ``AttentionStatistics`` has them.
  /// - Returns: how many heads were clipped.
  /// - SeeAlso: Kimi Team, 2025, "Kimi K2", arXiv:2507.20534 (MuonClip).
  @discardableResult
  public mutating func clipQueryKey(largestLogits: [Float], threshold: Float) -> Int {
    let c = configuration
    checkPrecondition(
      largestLogits.count == c.headCount,
      "clipQueryKey: \(largestLogits.count) logits for \(c.headCount) heads")
    guard queryKeyNorm == nil else { return 0 }  // which would undo it
    let factors = clippingFactors(of: largestLogits, threshold: threshold)
    for (head, factor) in factors {
      let firstQuery = head * c.keyWidth
      query.weight.value.scaleRows(
        firstQuery..<firstQuery + c.nopeWidth, by: factor.squareRoot())
      query.weight.value.scaleRows(
        firstQuery + c.nopeWidth..<firstQuery + c.keyWidth, by: factor)
      let firstKey = head * (c.nopeWidth + c.valueWidth)
      keyValueUp.weight.value.scaleRows(
        firstKey..<firstKey + c.nopeWidth, by: factor.squareRoot())
    }
    return factors.count
  }
}

extension MultiHeadAttention {
  /// QK-clip: with γ = threshold / largest logit, multiplies the query and key rows, and biases, of every head
  /// whose largest logit passed the threshold by √γ each, so that the same input would now give exactly the
  /// threshold.
  /// - Parameter largestLogits: one a head, as ``AttentionStatistics`` has them.
  /// - Returns: how many heads were clipped.
  /// - SeeAlso: Kimi Team, 2025, "Kimi K2", arXiv:2507.20534 (MuonClip).
  @discardableResult
  public mutating func clipQueryKey(largestLogits: [Float], threshold: Float) -> Int {
    let (width, heads) = (projection.inputCount, headCount)
    checkPrecondition(
      largestLogits.count == heads, "clipQueryKey: \(largestLogits.count) logits for \(heads) heads")
    guard queryKeyNorm == nil else { return 0 }  // which would undo it
    let factors = clippingFactors(of: largestLogits, threshold: threshold)
    for (head, factor) in factors {
      for first in [head * (width / heads), width + head * (width / heads)] {
        let rows = first..<first + width / heads
        queryKeyValue.weight.value.scaleRows(rows, by: factor.squareRoot())
        queryKeyValue.bias?.value.scaleRows(rows, by: factor.squareRoot())
      }
    }
    return factors.count
  }
}

/// What the logits of each head above the threshold are to be multiplied by.
private func clippingFactors(
  of largestLogits: [Float], threshold: Float
) -> [(head: Int, factor: Float)] {
  largestLogits.enumerated().filter { $0.element > threshold && $0.element.isFinite }.map {
    ($0.offset, threshold / $0.element)
  }
}

extension Tensor {
  /// A vector's rows are its elements.
  fileprivate mutating func scaleRows(_ rows: Range<Int>, by factor: Float) {
    let width = shape.rank == 1 ? 1 : shape.width
    withMutableElements { elements in
      for index in rows.lowerBound * width..<rows.upperBound * width { elements[index] *= factor }
    }
  }
}
