internal import Foundation
internal import NanoPreconditions
internal import NanoTensor

/// What attention keeps of the positions so far, a row a position: multi-head attention the keys and values of all
/// heads; latent attention the latents that both are made from and the rotated keys that heads share.
public struct KVCache: Sendable {
  /// Their rows double when they are full.
  private var parts: [Tensor]
  private let contextLength: Int
  /// Positions so far.
  public private(set) var count = 0

  /// - Parameter widths: of the rows of each part.
  init(widths: [Int], contextLength: Int) {
    parts = widths.map { Tensor(zeros: [1, $0]) }
    self.contextLength = contextLength
  }

  /// - Parameter rows: one of each part.
  mutating func append(_ rows: [Tensor]) {
    checkPrecondition(count < contextLength, "KVCache: more than \(contextLength) positions")
    for part in parts.indices { parts[part].setRow(count, to: rows[part]) }
    count += 1
  }

  /// Some channels of a part, or all, a row a position.
  func rows(of part: Int, _ channels: Range<Int>? = nil) -> MatrixView {
    let width = parts[part].shape.width
    return MatrixView(
      parts[part].numbers.advanced(by: channels?.lowerBound ?? 0), rows: count, columns: channels?.count ?? width,
      rowStride: width)
  }

  /// The last rows of a part, oldest first.
  func lastRows(_ number: Int, of part: Int) -> [[Float]] {
    let (elements, width) = (parts[part].scalars, parts[part].shape.width)
    return (count - number..<count).map { Array(elements[$0 * width..<($0 + 1) * width]) }
  }

  /// One channel of a part, at all positions.
  func column(_ channel: Int, of part: Int) -> [Float] {
    let (elements, width) = (parts[part].scalars, parts[part].shape.width)
    return (0..<count).map { elements[$0 * width + channel] }
  }
}

extension Tensor {
  /// Writes the row at an index up to the row count, which doubles where the index has reached it.
  fileprivate mutating func setRow(_ index: Int, to row: Tensor) {
    if index == shape[0] {
      var longer = Tensor(zeros: [2 * index, shape.width])
      kernels.copyRows(of: self, to: &longer, at: 0)
      self = longer
    }
    kernels.copyRows(of: row, to: &self, at: index)
  }

  /// Softmax of all elements.
  var softmaxOfRow: Tensor {
    let scores = scalars
    let highest = scores.max() ?? 0
    let exponentials = scores.map { exp($0 - highest) }
    let sum = exponentials.reduce(0, +)
    return Tensor(exponentials.map { $0 / sum }, shape: shape)
  }
}
