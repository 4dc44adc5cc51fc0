public import NanoTensor

/// An activation kept for the backward pass: as it is, or in half precision.
public enum KeptTensor: Sendable {
  case whole(Tensor)
  case half(HalfTensor)

  public var tensor: Tensor {
    switch self {
    case .whole(let tensor): tensor
    case .half(let half): half.tensor
    }
  }

  /// Some of the rows in 32 bits: where they lie or, kept in half precision, written to `scratch`.
  func elements(
    ofRows rows: Range<Int>, scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    switch self {
    case .whole(let tensor):
      return tensor.elements + rows.lowerBound * tensor.shape.width
    case .half(let half):
      half.copy(rows: rows, to: scratch)
      return UnsafePointer(scratch)
    }
  }
}

/// What a tape keeps. An activation that several operations keep is rounded once and held once.
struct ActivationStore {
  private let format: HalfTensor.Format?
  private var halves: [UInt64: HalfTensor] = [:]

  init(_ format: HalfTensor.Format?) { self.format = format }

  mutating func keep(_ tensor: Tensor) -> KeptTensor {
    guard let format else { return .whole(tensor) }
    if let half = halves[tensor.storageNumber], half.shape == tensor.shape { return .half(half) }
    let half = HalfTensor(tensor, format: format)
    halves[tensor.storageNumber] = half
    return .half(half)
  }

  /// From now on only the operations hold what they kept.
  mutating func forget() { halves.removeAll() }
}
