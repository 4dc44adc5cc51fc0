internal import CNanoKernels
internal import NanoPreconditions

/// Channels of the positions of one sequence, as attention reads them: tiles of 16 positions, whose numbers of one channel
/// lie side by side.
package final class PositionTiles {
  package let channelCount: Int
  /// Tiles × channels × 16; behind the last position zeros, or what another text left there.
  private var storage: Tensor

  package init(channelCount: Int) {
    self.channelCount = channelCount
    storage = Tensor(zeros: [0])
  }

  /// Positions of a tile.
  package static let size = Int(NK_TILE_POSITIONS)

  /// Positions in whole tiles.
  package static func rounded(_ positions: Int) -> Int { (positions + size - 1) / size * size }

  private var tileStride: Int { channelCount * Self.size }

  /// Makes room for so many positions: at least twice what there was, so that a long text is seldom copied.
  package func reserve(_ positions: Int) {
    let needed = Self.rounded(positions) * channelCount
    guard needed > storage.elementCount else { return }
    var longer = Tensor(zeros: [max(needed, 2 * storage.elementCount)])
    longer.mutableElements.update(from: storage.elements, count: storage.elementCount)
    storage = longer
  }

  /// Writes channels of a position that there is room for.
  package func write(_ numbers: UnsafePointer<Float>, channels: Range<Int>, at position: Int) {
    let tile = storage.elements + position / Self.size * tileStride + position % Self.size
    let start = UnsafeMutablePointer(mutating: tile + channels.lowerBound * Self.size)
    for index in 0..<channels.count { start[index &* Self.size] = numbers[index] }
  }

  /// `out[t] = scale · <query, channels of position t>` for the first positions, in whole tiles.
  package func scores(
    _ query: UnsafePointer<Float>, channels: Range<Int>, positions: Int, scale: Float,
    into out: UnsafeMutablePointer<Float>
  ) {
    kernels.table.pointee.position_scores(
      query, storage.elements + channels.lowerBound * Self.size, tileStride, channels.count, positions, scale, out)
  }

  /// `out[c] = Σ_t probabilities[t] · channel c of position t`
  /// - Parameter probabilities: whole tiles, zero behind the last position.
  package func mix(
    _ probabilities: UnsafePointer<Float>, channels: Range<Int>, positions: Int,
    into out: UnsafeMutablePointer<Float>
  ) {
    kernels.table.pointee.position_mix(
      probabilities, storage.elements + channels.lowerBound * Self.size, tileStride, channels.count, positions, out)
  }

  /// One channel of a position.
  package func number(_ channel: Int, at position: Int) -> Float {
    storage.elements[position / Self.size * tileStride + channel * Self.size + position % Self.size]
  }
}
