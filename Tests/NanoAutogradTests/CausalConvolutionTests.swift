import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

/// Kernels shorter and longer than a sequence: every row takes in rows of its own sequence alone.
@Test(arguments: [1, 2, 3, 6])
func causalConvolution(kernelSize: Int) {
  let (sequences, length, width) = (2, 4, 3)
  let check = GradientCheck([
    wave([sequences * length, width]), wave([kernelSize, width], frequency: 0.7, phase: 0.2),
  ]) { _, v in
    v[0].causalConvolution(weight: v[1], sequenceLength: length)
  } reference: { x in
    (0..<sequences * length * width).map { element in
      let (row, channel) = (element / width, element % width)
      return (0..<kernelSize).filter { $0 <= row % length }.reduce(0) { sum, tap in
        sum + x[1][tap * width + channel] * x[0][(row - tap) * width + channel]
      }
    }
  }
  #expect(check.worst < 1e-4)
}
