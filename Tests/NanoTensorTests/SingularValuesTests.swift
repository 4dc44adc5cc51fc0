import NanoTensor
import Testing

@Test func decompositionRebuildsItsMatrix() throws {
  let matrix = Tensor([3, 1, 2, -1, 0.5, 4], shape: [2, 3])
  let svd = try SingularValueDecomposition(of: matrix)
  let s = svd.values.scalars
  let scaled = Tensor(svd.left.scalars.enumerated().map { $1 * s[$0 % 2] }, shape: [2, 2])
  let rebuilt = scaled.matmul(svd.rightTransposed).scalars
  #expect(zip(rebuilt, matrix.scalars).allSatisfy { abs($0 - $1) < 1e-5 })
}
