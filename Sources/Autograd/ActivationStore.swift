internal import NanoTensor

/// What a tape keeps. An activation that several operations keep is rounded once and held once.
struct ActivationStore {
  private let format: HalfTensor.Format?
  private var halves: [UInt64: HalfTensor] = [:]

  init(_ format: HalfTensor.Format?) { self.format = format }

  mutating func keep(_ tensor: Tensor) -> Activation {
    guard let format else { return .whole(tensor) }
    if let half = halves[tensor.storageNumber], half.shape == tensor.shape { return .half(half) }
    let half = HalfTensor(tensor, format: format)
    halves[tensor.storageNumber] = half
    return .half(half)
  }

  /// From now on only the operations hold what they kept.
  mutating func forget() { halves.removeAll() }
}
