internal import Foundation
internal import NanoCUDA
internal import NanoPreconditions
package import NanoTensor
internal import Synchronization

/// Rotary position embedding: channel pair i at position t is turned by the angle `t · base^(-2i/width)`, so
/// that the product of two rotated vectors depends on their distance alone. A ``RotaryScaling`` slows it down.
/// - SeeAlso: Su et al., 2021, arXiv:2104.09864.
public struct RotaryEmbedding: Sendable {
  /// Which channels form a pair.
  public enum Layout: String, Hashable, Sendable, Codable {
    /// 2i and 2i + 1, as checkpoints of the DeepSeek family store them.
    case interleaved
    /// i and i + width/2, as Llama's code has them.
    case halves
  }

  /// Channels that are rotated.
  public let width: Int
  /// Which channels make up a pair.
  public let layout: Layout
  /// Positions that angles are prepared for.
  public let positionCount: Int
  /// Factor that its scaling asks for on the logits of attention.
  public let logitFactor: Float
  /// positionCount × width/2.
  private let cosines, sines: Tensor
  private let copies = RotaryTableCopies()

  /// Angles in Double, cosines and sines rounded once.
  /// - Precondition: an even width.
  public init(
    width: Int, positionCount: Int, base: Double = 10_000, layout: Layout = .interleaved,
    scaling: RotaryScaling? = nil
  ) {
    checkPrecondition(
      width > 0 && width % 2 == 0 && positionCount > 0,
      "RotaryEmbedding: width \(width), \(positionCount) positions")
    self.width = width
    self.layout = layout
    self.positionCount = positionCount
    logitFactor = Float(scaling?.logitFactor ?? 1)
    let frequencies = (0..<width / 2).map { pair in
      pow(base, -2 * Double(pair) / Double(width))
        * (scaling?.frequencyFactor(ofPair: pair, width: width, base: base) ?? 1)
    }
    let amplitude = scaling?.amplitude ?? 1
    let angles = (0..<positionCount).flatMap { position in frequencies.map { Double(position) * $0 } }
    cosines = Tensor(angles.map { Float(amplitude * cos($0)) }, shape: [positionCount, width / 2])
    sines = Tensor(angles.map { Float(amplitude * sin($0)) }, shape: [positionCount, width / 2])
  }

  /// Rotates `width` channels, from `offset` on, of every head of every row; row n of a sequence is at
  /// position `firstPosition + n`. The inverse is also what the gradient goes through.
  package func rotate(
    _ rows: inout some TensorProtocol, sequenceLength: Int, headWidth: Int, offset: Int, firstPosition: Int = 0,
    inverse: Bool = false
  ) {
    let (rowCount, headCount) = (rows.shape.rowCount, rows.shape.width / headWidth)
    checkPrecondition(
      firstPosition + min(sequenceLength, rowCount) <= positionCount,
      "RotaryEmbedding: position \(firstPosition + sequenceLength) of \(positionCount)")
    if let gpu = rows.numbers.gpu {
      let tables = tables(on: gpu)
      let vectors = turnsVectors && headWidth % 4 == 0 && offset % 4 == 0
      gpu.launch(
        Kernel("rotary", "rotary_turn"), blocks: rowCount, threads: 128,
        [.output(&rows), rows.numbers.formatArgument, tables.cosines.argument, tables.sines.argument]
          + [sequenceLength, firstPosition, headCount, headWidth, offset, width].map { .int($0) }
          + [.int(layout == .interleaved ? 1 : 0), .float(inverse ? -1 : 1), .int(vectors ? 1 : 0)])
      return
    }
    kernels.rotate(
      &rows, cosines: cosines, sines: sines,
      Rotation(
        sequenceLength: sequenceLength, headWidth: headWidth, offset: offset, firstPosition: firstPosition,
        isInterleaved: layout == .interleaved, isInverse: inverse))
  }
}

extension RotaryEmbedding {
  /// Rotates one row of `width` channels in its place.
  package func rotate(_ channels: UnsafeMutablePointer<Float>, position: Int) {
    kernels.rotate(
      channels, cosines: cosines, sines: sines, position: position, isInterleaved: layout == .interleaved)
  }

  /// Whether kernels of rotary.cu turn four channels at once.
  var turnsVectors: Bool { width % (layout == .interleaved ? 4 : 8) == 0 }

  /// The tables where kernels read them.
  func tables(on gpu: CUDADevice) -> (cosines: Tensor, sines: Tensor) {
    copies.tables(on: gpu, of: cosines, sines)
  }
}

/// The tables of a rotation on a GPU, copied there once.
private final class RotaryTableCopies: Sendable {
  private let tables = Mutex<(cosines: Tensor, sines: Tensor)?>(nil)

  func tables(
    on gpu: CUDADevice, of cosines: Tensor, _ sines: Tensor
  ) -> (cosines: Tensor, sines: Tensor) {
    tables.withLock { tables in
      if let tables, tables.cosines.gpu === gpu { return tables }
      let made = (cosines.on(Device(gpu)), sines.on(Device(gpu)))
      tables = made
      return made
    }
  }
}

extension Variable {
  /// Rotates the channels of every head of every row by the row's position in its sequence.
  /// - Parameters:
  ///   - sequenceLength: rows of one sequence.
  ///   - headCount: heads side by side, each as wide as the rotation.
  ///   - firstPosition: of each sequence's first row.
  /// - Precondition: the rows are headCount · rotary.width wide.
  public func rotated(
    by rotary: RotaryEmbedding, sequenceLength: Int, headCount: Int = 1, firstPosition: Int = 0
  ) -> Variable {
    checkPrecondition(
      shape.width == headCount * rotary.width && shape.rowCount % sequenceLength == 0,
      "rotated: \(shape), \(headCount) heads of \(rotary.width), sequences of \(sequenceLength)")
    var output = value
    rotary.rotate(
      &output, sequenceLength: sequenceLength, headWidth: rotary.width, offset: 0, firstPosition: firstPosition)
    let node = node
    return tape.record(output, inputs: self) { gradient, slots in
      var result = gradient
      rotary.rotate(
        &result, sequenceLength: sequenceLength, headWidth: rotary.width, offset: 0, firstPosition: firstPosition,
        inverse: true)
      slots.accumulate(result, into: node)
    }
  }
}
