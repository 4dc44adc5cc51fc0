internal import NanoLayers
internal import NanoTensor

/// Latent attention to what a cache holds, in the absorbed form: queries are taken into the latent space, `W_UKᵀ q_n`, and
/// outputs out of it, so that keys and values of earlier positions are never made again.
struct DecodingLatentAttention {
  private let layer: MultiHeadLatentAttention
  private let queryDown: DecodingWeight?
  private let query, keyValueDown, keyValueUp, projection: DecodingWeight
  /// W_UKᵀ of each head, heads × rank rows.
  private let absorption: DecodingWeight
  /// The gains of keys, taken to the queries; nil without QK-norm.
  private let keyGain: Tensor?

  init(_ layer: MultiHeadLatentAttention, _ format: WeightFormat) {
    self.layer = layer
    queryDown = layer.queryLatent?.down.decodingWeight(format)
    query = layer.query.decodingWeight(format)
    keyValueDown = layer.keyValueDown.decodingWeight(format)
    keyValueUp = layer.keyValueUp.decodingWeight(format)
    projection = layer.projection.decodingWeight(format)
    let c = layer.configuration
    let up = layer.keyValueUp.weight.value.scalars
    let transposed = (0..<c.headCount * c.keyValueRank).flatMap { row in
      let (head, rank) = row.quotientAndRemainder(dividingBy: c.keyValueRank)
      return (0..<c.nopeWidth).map { up[(head * (c.nopeWidth + c.valueWidth) + $0) * c.keyValueRank + rank] }
    }
    absorption = DecodingWeight(
      Tensor(transposed, shape: [c.headCount * c.keyValueRank, c.nopeWidth]), format: format)
    keyGain = layer.queryKeyNorm?.key.gain.value
  }

  private var configuration: MultiHeadLatentAttention.Configuration { layer.configuration }
  private var rank: Int { configuration.keyValueRank }
  /// Of a head's query as it is multiplied with the cache: in the latent space, then the rotated channels.
  private var absorbedWidth: Int { rank + configuration.ropeWidth }
  /// Columns of what the first products give: queries, then latent and shared key, then the queries' latent.
  private var latentColumn: Int { configuration.headCount * configuration.keyWidth }
  private var queryLatentColumn: Int { latentColumn + rank + configuration.ropeWidth }

  var sizes: DecodingSizes {
    let c = configuration
    return DecodingSizes(
      projected: queryLatentColumn + (c.queryRank ?? 0), latents: c.queryRank ?? 0,
      absorbed: c.headCount * absorbedWidth, attended: c.headCount * c.valueWidth,
      memberRow: max(rank, c.headCount * (c.nopeWidth + c.valueWidth)))
  }
  /// Of the weights that one row reads.
  var byteCount: Int {
    let c = configuration
    // Of W_kvb the values alone, but for QK-norm, which needs the keys.
    let readShare = keyGain == nil ? Double(c.valueWidth) / Double(c.nopeWidth + c.valueWidth) : 1
    return [query, keyValueDown, absorption, projection].reduce(queryDown?.byteCount ?? 0) { $0 + $1.byteCount }
      + Int(Double(keyValueUp.byteCount) * readShare)
  }

  /// Of each position the latent, the rotated shared key and, with QK-norm, one over the root mean square of each head's key.
  func makeCache() -> PositionTiles {
    PositionTiles(channelCount: absorbedWidth + (keyGain == nil ? 0 : configuration.headCount))
  }

  /// - Parameter caches: of each text.
  func callAsFunction(_ run: DecodingRun, _ caches: [DecodingCache]) {
    let (b, team, c) = (run.buffers, run.team, configuration)
    let input = b.normed[run.base]
    keyValueDown.multiply(input, count: run.count, into: b.projected.from(column: latentColumn), team)
    if let queryDown, let norm = layer.queryLatent?.norm {
      queryDown.multiply(input, count: run.count, into: b.projected.from(column: queryLatentColumn), team)
      team.wait()
      run.forEachRow { row, place in
        norm.decode(b.projected[row].start + queryLatentColumn, into: b.latents[place].start)
      }
      query.multiply(b.latents[run.base], count: run.count, into: b.projected, team)
    } else {
      query.multiply(input, count: run.count, into: b.projected, team)
    }
    team.wait()
    for row in team.part(of: run.count) { store(run, row, in: caches[run.rows[row].text].positions) }
    let heads = team.part(of: c.headCount)
    for head in heads { absorb(run, head) }
    team.wait()
    for head in heads { attend(run, head, caches) }
    team.wait()
    projection.multiply(b.attended, count: run.count, into: b.hidden, adding: true, team)
    team.wait()
  }

  /// Writes a row's latent and shared key to the cache.
  private func store(_ run: DecodingRun, _ index: Int, in cache: PositionTiles) {
    let (row, c) = (run.rows[index], configuration)
    let latent = run.buffers.projected[index].start + latentColumn
    let sharedKey = latent + rank
    layer.keyValueNorm.decode(latent, into: latent)
    layer.queryKeyNorm?.sharedKey.decode(sharedKey, into: sharedKey)
    layer.rotary.rotate(sharedKey, position: row.position)
    cache.write(latent, channels: 0..<absorbedWidth, at: row.position)
    guard let norm = layer.queryKeyNorm?.key else { return }
    let (keyValue, width) = (run.own.rows, c.nopeWidth + c.valueWidth)
    keyValueUp.multiply(
      Rows(latent, stride: 0), count: 1, outputs: 0..<keyValueUp.outputs, into: Rows(keyValue, stride: 0))
    for head in 0..<c.headCount {
      let squares = (0..<c.nopeWidth).reduce(Float(0)) {
        $0 + keyValue[head * width + $1] * keyValue[head * width + $1]
      }
      var factor = 1 / (squares / Float(c.nopeWidth) + norm.epsilon).squareRoot()
      cache.write(&factor, channels: absorbedWidth + head..<absorbedWidth + head + 1, at: row.position)
    }
  }

  /// Takes a head's queries to the latent space.
  private func absorb(_ run: DecodingRun, _ head: Int) {
    let (b, c) = (run.buffers, configuration)
    let (queries, absorbed) = (
      b.projected.from(column: head * c.keyWidth), b.absorbed.from(column: head * absorbedWidth)
    )
    for (index, row) in run.rows.enumerated() {
      let query = queries[index].start
      layer.queryKeyNorm?.query.decode(query, into: query)
      layer.rotary.rotate(query + c.nopeWidth, position: row.position)
      if let keyGain { kernels.multiply(query, by: keyGain) }
      (absorbed[index].start + rank).update(from: query + c.nopeWidth, count: c.ropeWidth)
    }
    absorption.multiply(queries, count: run.count, outputs: head * rank..<(head + 1) * rank, into: absorbed)
  }

  private func attend(_ run: DecodingRun, _ head: Int, _ caches: [DecodingCache]) {
    let (b, c, scores) = (run.buffers, configuration, run.own.scores)
    let mixed = Rows(run.own.rows, stride: rank)
    for (index, row) in run.rows.enumerated() {
      let (cache, positions) = (caches[row.text].positions, row.position + 1)
      let query = b.absorbed[index].start + head * absorbedWidth
      if keyGain == nil {
        cache.scores(query, channels: 0..<absorbedWidth, positions: positions, scale: layer.scale, into: scores)
      } else {
        let rotated = scores + PositionTiles.rounded(positions)
        cache.scores(query, channels: 0..<rank, positions: positions, scale: layer.scale, into: scores)
        cache.scores(
          query + rank, channels: rank..<absorbedWidth, positions: positions, scale: layer.scale, into: rotated)
        for position in 0..<positions {
          scores[position] = scores[position] * cache.number(absorbedWidth + head, at: position) + rotated[position]
        }
      }
      kernels.softmax(scores, positions: positions)
      cache.mix(scores, channels: 0..<rank, positions: positions, into: mixed[index].start)
    }
    let firstValue = head * (c.nopeWidth + c.valueWidth) + c.nopeWidth
    keyValueUp.multiply(
      mixed, count: run.count, outputs: firstValue..<firstValue + c.valueWidth,
      into: b.attended.from(column: head * c.valueWidth))
  }
}
