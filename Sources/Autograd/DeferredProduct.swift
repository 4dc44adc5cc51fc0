internal import NanoTensor

/// The last product of an operation on a GPU, put off until someone reads it.
///
/// A product adds another matrix to its result at no cost. So if what comes next is a sum, as behind every branch of a
/// residual network, the sum is the product's, and neither the branch nor the sum is a pass of its own.
final class DeferredProduct {
  let shape: Shape
  private let compute: (_ residual: Tensor?) -> Tensor
  private var computed: Tensor?

  /// - Parameter compute: the product, with a tensor of its shape added if there is one; may be called again.
  init(shape: Shape, _ compute: @escaping (_ residual: Tensor?) -> Tensor) {
    self.shape = shape
    self.compute = compute
  }

  var isPending: Bool { computed == nil }

  /// The product alone.
  var value: Tensor {
    if let computed { return computed }
    let value = compute(nil)
    computed = value
    return value
  }

  /// The product and a tensor of its shape.
  func sum(with residual: Tensor) -> Tensor { compute(residual) }
}
