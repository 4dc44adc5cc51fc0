internal import NanoTensor

extension MutableSpan where Element == Float {
  /// `p ← d p - s u` where p and u do not differ in sign, else `p ← p - s u`, for the elements from `first` on.
  mutating func decayCautiously(by decay: Float, from first: Int, step: Float, _ update: Tensor) {
    update.withElements { update in
      for index in 0..<update.count {
        let element = self[first + index]
        self[first + index] = (element * update[index] < 0 ? element : decay * element) - step * update[index]
      }
    }
  }
}
