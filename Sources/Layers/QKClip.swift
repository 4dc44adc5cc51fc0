internal import Foundation
internal import NanoAutograd
internal import NanoTensor

extension LatentAttention {
  /// QK-clip: shrinks the queries and keys of every head whose largest logit passed the threshold, so that
  /// the same input would now give exactly the threshold.
  ///
  /// With γ = threshold / largest logit, the head's position-free query and key rows are multiplied by √γ
  /// each and its rotary query rows by γ; the rotary key belongs to all heads and stays.
  /// - Parameter largestLogits: one a head, as ``AttentionStatistics`` has them.
  /// - Returns: how many heads were clipped.
  /// - SeeAlso: Kimi Team, 2025, "Kimi K2", arXiv:2507.20534 (MuonClip).
  @discardableResult
  public mutating func clipQueryKey(largestLogits: [Float], threshold: Float) -> Int {
    let c = configuration
    precondition(
      largestLogits.count == c.headCount,
      "clipQueryKey: \(largestLogits.count) logits for \(c.headCount) heads")
    var clipped = 0
    for (head, logit) in largestLogits.enumerated() where logit > threshold && logit.isFinite {
      let gamma = threshold / logit
      let firstQuery = head * c.keyWidth
      query.weight.value.scaleRows(
        firstQuery..<firstQuery + c.positionFreeWidth, by: gamma.squareRoot())
      query.weight.value.scaleRows(
        firstQuery + c.positionFreeWidth..<firstQuery + c.keyWidth, by: gamma)
      let firstKey = head * (c.positionFreeWidth + c.valueWidth)
      keyValueUp.weight.value.scaleRows(
        firstKey..<firstKey + c.positionFreeWidth, by: gamma.squareRoot())
      clipped += 1
    }
    return clipped
  }
}

extension Tensor {
  fileprivate mutating func scaleRows(_ rows: Range<Int>, by factor: Float) {
    let width = shape.width
    withMutableElements { elements in
      for index in rows.lowerBound * width..<rows.upperBound * width { elements[index] *= factor }
    }
  }
}
