internal import NanoTensor

/// A token of a text, which goes through the model as one row.
struct DecodingRow {
  let text: Int
  let token: Int32
  /// The token before; nil at the start of the text.
  let previous: Int32?
  let position: Int
  /// Rows of the same text directly before it.
  let offset: Int
  /// Whether the next row is of another text.
  let isLast: Bool
}

/// What one member of a team needs to take rows through the model.
///
/// Layers read `normed` and add to `hidden`. Between two waits, every number is written by one member, and read by no other.
struct DecodingRun {
  let rows: [DecodingRow]
  let team: Team
  let buffers: DecodingBuffers
  let own: DecodingBuffers.Member

  var count: Int { rows.count }

  /// Where rows begin that each member computes for itself if there is but one: in less time than others would wait for it.
  var base: Int { count == 1 ? team.index : 0 }

  /// Calls `body` with this member's rows and where each one's results go: from ``base`` on.
  func forEachRow(_ body: (_ row: Int, _ place: Int) -> Void) {
    guard count > 1 else {
      body(0, team.index)
      return
    }
    for row in team.part(of: count) { body(row, row) }
    team.wait()
  }
}

/// Where the results of layers lie, as wide as the widest layer needs.
struct DecodingBuffers {
  /// Of one member.
  struct Member {
    /// A number a position.
    let scores: UnsafeMutablePointer<Float>
    let rows: UnsafeMutablePointer<Float>
    /// A row's scores of experts.
    let ranks: UnsafeMutablePointer<Float>
    /// Of rows sorted by expert, which they are and how they weigh.
    let sortedRows: UnsafeMutablePointer<Int32>
    let sortedGates: UnsafeMutablePointer<Float>
    /// Where each expert's rows begin.
    let offsets: UnsafeMutablePointer<Int>
  }

  /// The residual stream.
  let hidden: Rows
  let normed, convolved, projected, latents, absorbed, attended, activations: Rows
  let logits: Rows
  /// Of each row the experts that it chose, and their weights.
  let chosen: UnsafeMutablePointer<Int32>
  let gates: UnsafeMutablePointer<Float>
}

/// How wide the buffers must be.
struct DecodingSizes {
  var width = 0, projected = 0, latents = 0, absorbed = 0, attended = 0, activations = 0, memberRow = 0
  var experts = 0, expertsPerRow = 0

  /// The larger of each.
  mutating func include(_ other: DecodingSizes) {
    for size in [
      \.width, \.projected, \.latents, \.absorbed, \.attended, \.activations, \.memberRow, \.experts, \.expertsPerRow,
    ] as [WritableKeyPath<DecodingSizes, Int>] {
      self[keyPath: size] = max(self[keyPath: size], other[keyPath: size])
    }
  }
}

/// The memory of a session.
final class DecodingWorkspace {
  private let floats = (0..<10).map { _ in Scratch<Float>() }
  private let chosen = Scratch<Int32>()
  private var members: [Member] = []

  private final class Member {
    let floats = (0..<4).map { _ in Scratch<Float>() }
    let rows = Scratch<Int32>()
    let offsets = Scratch<Int>()
  }

  /// Room for so many rows, of which logits are wanted of some.
  func buffers(_ s: DecodingSizes, rowCount: Int, memberCount: Int, logits: (rows: Int, width: Int)) -> DecodingBuffers
  {
    let rows = max(rowCount, memberCount)
    func buffer(_ index: Int, _ width: Int) -> Rows { floats[index].rows(rows, width: max(1, width)) }
    return DecodingBuffers(
      hidden: buffer(0, s.width), normed: buffer(1, s.width), convolved: buffer(2, s.width),
      projected: buffer(3, s.projected), latents: buffer(4, s.latents), absorbed: buffer(5, s.absorbed),
      attended: buffer(6, s.attended), activations: buffer(7, s.activations),
      logits: floats[8].rows(logits.rows, width: logits.width), chosen: chosen.numbers(rows * s.expertsPerRow + 1),
      gates: floats[9].numbers(rows * s.expertsPerRow + 1))
  }

  /// The memory of each member.
  func members(_ count: Int, _ s: DecodingSizes, rowCount: Int, positions: Int) -> [DecodingBuffers.Member] {
    while members.count < count { members.append(Member()) }
    return members.prefix(count).map {
      DecodingBuffers.Member(
        scores: $0.floats[0].numbers(2 * PositionTiles.rounded(positions)),
        rows: $0.floats[1].numbers(rowCount * s.memberRow + 1), ranks: $0.floats[2].numbers(s.experts + 1),
        sortedRows: $0.rows.numbers(rowCount * s.expertsPerRow + 1),
        sortedGates: $0.floats[3].numbers(rowCount * s.expertsPerRow + 1),
        offsets: $0.offsets.numbers(s.experts + 2))
    }
  }
}
