internal import NanoLayers
internal import NanoTensor

/// Multi-head attention to what a cache holds.
struct DecodingAttention {
  private let layer: MultiHeadAttention
  private let headWidth: Int
  private let queryKeyValue, projection: DecodingWeight

  init(_ layer: MultiHeadAttention, _ format: WeightFormat) {
    self.layer = layer
    headWidth = layer.projection.inputCount / layer.headCount
    queryKeyValue = layer.queryKeyValue.decodingWeight(format)
    projection = layer.projection.decodingWeight(format)
  }

  private var width: Int { layer.headCount * headWidth }
  var sizes: DecodingSizes { DecodingSizes(projected: 3 * width, attended: width) }
  var byteCount: Int { queryKeyValue.byteCount + projection.byteCount }

  /// Keys and values of all heads.
  func makeCache() -> PositionTiles { PositionTiles(channelCount: 2 * width) }

  /// - Parameter caches: of each text.
  func callAsFunction(_ run: DecodingRun, _ caches: [DecodingCache]) {
    let (b, team) = (run.buffers, run.team)
    queryKeyValue.multiply(b.normed[run.base], count: run.count, into: b.projected, team)
    team.wait()
    // A head's keys and values are written and read by one member.
    for head in team.part(of: layer.headCount) {
      let keys = head * headWidth..<(head + 1) * headWidth
      let values = width + keys.lowerBound..<width + keys.upperBound
      for (index, row) in run.rows.enumerated() {
        let numbers = b.projected[index].start
        prepare(numbers + keys.lowerBound, layer.queryKeyNorm?.query, at: row.position)
        prepare(numbers + width + keys.lowerBound, layer.queryKeyNorm?.key, at: row.position)
        let cache = caches[row.text].positions
        cache.write(numbers + width + keys.lowerBound, channels: keys, at: row.position)
        cache.write(numbers + width + values.lowerBound, channels: values, at: row.position)
      }
      for (index, row) in run.rows.enumerated() {
        let (cache, positions, scores) = (caches[row.text].positions, row.position + 1, run.own.scores)
        cache.scores(
          b.projected[index].start + keys.lowerBound, channels: keys, positions: positions, scale: layer.scale,
          into: scores)
        kernels.softmax(scores, positions: positions)
        cache.mix(
          scores, channels: values, positions: positions, into: b.attended[index].start + keys.lowerBound)
      }
    }
    team.wait()
    projection.multiply(b.attended, count: run.count, into: b.hidden, adding: true, team)
    team.wait()
  }

  /// A head's query or key as it is multiplied: normalized, then rotated.
  private func prepare(_ channels: UnsafeMutablePointer<Float>, _ norm: RMSNorm?, at position: Int) {
    norm?.decode(channels, into: channels)
    layer.rotary?.rotate(channels, position: position)
  }
}
