import NanoAutograd
import NanoLayers
import NanoModels
import NanoTensor
import Testing

/// Queries and keys whose logits grew too large are scaled, of that head alone.
@Test func queryKeyClipScalesTheHeadThatPassedItsThreshold() throws {
  let fresh = try smallGPT()
  var statistics = ForwardStatistics()
  statistics.attention = [
    AttentionStatistics(largestLogits: [1, 400, 99]), AttentionStatistics(largestLogits: [1, 2, 3]),
  ]
  func weights(_ model: Decoder, _ block: Int) -> [Float] {
    guard case .multiHead(let attention) = model.blocks[block].attention else { return [] }
    return attention.queryKeyValue.weight.value.scalars
  }
  var model = fresh
  model.finishStep(statistics, rules: StepRules(queryKeyClip: nil))
  #expect(weights(model, 0) == weights(fresh, 0))
  model.finishStep(statistics, rules: StepRules(queryKeyClip: 100))
  let isClipped = model.blocks.indices.map { block in
    let (before, after) = (weights(fresh, block), weights(model, block))
    return (0..<9).map { after[$0 * 8 * 24] == before[$0 * 8 * 24] * 0.5 }
  }
  // Of 3 × 3 matrices of 8 × 24: the query and the key of the middle head.
  #expect(isClipped[0] == [false, true, false, false, true, false, false, false, false])
  #expect(!isClipped[1].contains(true))
}
