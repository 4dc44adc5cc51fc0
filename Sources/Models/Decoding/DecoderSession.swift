internal import NanoLayers
internal import NanoPreconditions
internal import NanoTensor

/// Texts that a ``Decoder`` continues.
final class DecoderSession: DecodingSession {
  private struct Text {
    var position = 0
    var last: Int32?
  }

  /// Rows that go through the model at once, at most: more need more memory and take no less time.
  private static let largestRun = 256
  /// Multiplications for which a further thread is worth its while.
  private static let workPerThread = 400_000

  private let model: Decoder
  private let options: DecodingOptions
  private let blocks: [DecodingBlock]
  private let head: DecodingWeight
  private let sizes: DecodingSizes
  private let workspace = DecodingWorkspace()
  /// Of runs of one row, of two or three, of four to seven, and so on.
  private var trials = [TeamTrial](repeating: TeamTrial(), count: Int.bitWidth)
  private var texts: [Text]
  /// Of each block, those of each text.
  private let caches: [[DecodingCache]]

  init(_ model: Decoder, _ options: DecodingOptions) {
    checkPrecondition(options.textCount > 0, "makeDecodingSession: \(options.textCount) texts")
    self.model = model
    self.options = options
    let blocks = model.blocks.map { DecodingBlock($0, options.weights) }
    self.blocks = blocks
    head =
      model.head?.decodingWeight(options.weights)
      ?? DecodingWeight(model.tokenEmbedding.table.value, format: options.weights)
    var sizes = DecodingSizes(width: model.configuration.width)
    for block in blocks { sizes.include(block.sizes) }
    self.sizes = sizes
    texts = Array(repeating: Text(), count: options.textCount)
    caches = blocks.map { block in (0..<options.textCount).map { _ in block.makeCache() } }
  }

  var positions: [Int] { texts.map(\.position) }

  var weightBytesPerToken: Int { blocks.reduce(head.byteCount) { $0 + $1.activeByteCount } }

  func restart(_ text: Int) { texts[text] = Text() }

  func append(_ tokens: [[Int32]]) -> [[Float]] {
    checkPrecondition(
      tokens.count == texts.count
        && zip(texts, tokens).allSatisfy {
          $0.position + $1.count <= model.configuration.contextLength
        },
      "append: \(tokens.map(\.count)) tokens to texts of \(positions), context \(model.configuration.contextLength)")
    var rows: [(text: Int, index: Int)] = []
    for (text, tokens) in tokens.enumerated() { rows += tokens.indices.map { (text, $0) } }
    var logits = [[Float]](repeating: [], count: texts.count)
    for start in stride(from: 0, to: rows.count, by: Self.largestRun) {
      run(rows[start..<min(rows.count, start + Self.largestRun)], of: tokens, &logits)
    }
    return logits
  }

  private func run(_ part: ArraySlice<(text: Int, index: Int)>, of tokens: [[Int32]], _ logits: inout [[Float]]) {
    var rows: [DecodingRow] = []
    var lastRows: [(row: Int, text: Int)] = []
    for (place, entry) in zip(part.indices, part) {
      let text = entry.text
      let isFirst = rows.last?.text != text
      rows.append(
        DecodingRow(
          text: text, token: tokens[text][entry.index], previous: texts[text].last, position: texts[text].position,
          offset: isFirst ? 0 : rows.last!.offset + 1,
          isLast: place + 1 == part.endIndex || part[place + 1].text != text))
      texts[text].position += 1
      texts[text].last = tokens[text][entry.index]
      if entry.index + 1 == tokens[text].count { lastRows.append((rows.count - 1, text)) }
    }
    for row in rows where row.isLast {
      for cache in caches { cache[row.text].positions.reserve(row.position + 1) }
    }
    let rowCount = rows.count
    let kind = Int.bitWidth - rowCount.leadingZeroBitCount
    let members =
      options.threadCount.map { min($0, WorkerPool.shared.threadCount) }
      ?? trials[kind].members(of: usefulThreads(rowCount: rowCount))
    let buffers = workspace.buffers(
      sizes, rowCount: rowCount, memberCount: members, logits: (lastRows.count, head.outputs))
    let own = workspace.members(
      members, sizes, rowCount: rowCount, positions: rows.reduce(0) { max($0, $1.position + 1) })
    let start = ContinuousClock.now
    WorkerPool.shared.runTogether(members) { team in
      forward(
        DecodingRun(rows: rows, team: team, buffers: buffers, own: own[team.index]), lastRows: lastRows.map(\.row))
    }
    trials[kind].record(start.duration(to: .now), ofTeam: members > 1)
    for (index, last) in lastRows.enumerated() {
      logits[last.text] = Array(UnsafeBufferPointer(start: buffers.logits[index].start, count: head.outputs))
    }
  }

  private func usefulThreads(rowCount: Int) -> Int {
    min(max(1, model.activeParameterCount * rowCount / Self.workPerThread), WorkerPool.shared.threadCount)
  }

  /// What one member does.
  private func forward(_ run: DecodingRun, lastRows: [Int]) {
    for index in run.team.part(of: run.count) { embed(run.rows[index], into: run.buffers.hidden[index].start) }
    run.team.wait()
    for (index, block) in blocks.enumerated() { block(run, caches[index]) }
    guard !lastRows.isEmpty else { return }
    let last = DecodingRun(rows: lastRows.map { run.rows[$0] }, team: run.team, buffers: run.buffers, own: run.own)
    last.forEachRow { row, place in
      model.finalNorm.decode(run.buffers.hidden[lastRows[row]].start, into: run.buffers.normed[place].start)
    }
    head.multiply(run.buffers.normed[last.base], count: last.count, into: run.buffers.logits, run.team)
  }

  private func embed(_ row: DecodingRow, into out: UnsafeMutablePointer<Float>) {
    kernels.copyRow(Int(row.token), of: model.tokenEmbedding.table.value, to: out)
    if let table = model.previousTokenEmbedding?.table.value, let previous = row.previous {
      kernels.copyRow(Int(previous), of: table, to: out, adding: true)
    }
    if let table = model.positionEmbedding?.table.value {
      kernels.copyRow(row.position, of: table, to: out, adding: true)
    }
  }
}

/// Whether several threads are faster than one: tried now and then, since that depends on what else the machine does.
/// Results have the same bits either way.
private struct TeamTrial {
  /// The shortest times of late.
  private var (alone, together) = (Duration.seconds(1000), Duration.seconds(1000))
  private var runs = 0

  /// Runs after which the slower way is tried again.
  private static let interval = 64

  mutating func members(of count: Int) -> Int {
    guard count > 1 else { return 1 }
    runs += 1
    // At first in turns: the very first run is no measure.
    if runs <= 4 { return runs % 2 == 1 ? count : 1 }
    return (together < alone) == (runs % Self.interval != 0) ? count : 1
  }

  mutating func record(_ time: Duration, ofTeam isTeam: Bool) {
    if isTeam {
      together = min(time, together + together / 16)
    } else {
      alone = min(time, alone + alone / 16)
    }
  }
}
