import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func latentAttention() {
  let (heads, free, turned, value, length) = (2, 3, 4, 2, 5)
  let rotary = RotaryEmbedding(width: turned, positionCount: 8, base: 100)
  let inputs = [
    wave([10, heads * (free + turned)], frequency: 1.3),
    wave([10, heads * (free + value)], frequency: 0.9, phase: 1), wave([10, turned], phase: 2),
  ]
  var largest: [Float] = []
  let check = GradientCheck(inputs) { _, v in
    v[0].latentAttention(
      keyValue: v[1], sharedKey: v[2], rotary: rotary, headCount: heads, valueWidth: value,
      sequenceLength: length, scale: 0.6
    ) { largest = $0.scalars }
  } reference: { x in
    let shared = Reference.rotated(x[2], width: turned, length: length, layout: .interleaved)
    var result: [Double] = []
    for row in 0..<10 {
      for head in 0..<heads {
        func queryOf(_ row: Int) -> [Double] {
          let start = (row * heads + head) * (free + turned)
          let tail = Array(x[0][start + free..<start + free + turned])
          // One row at its position: rows before it stand in for the position.
          let padded = Array(repeating: 0, count: (row % length) * turned) + tail
          return Array(x[0][start..<start + free])
            + Reference.rotated(padded, width: turned, length: length, layout: .interleaved).suffix(turned)
        }
        let q = queryOf(row)
        let sequence = row / length * length
        let scores = (sequence...row).map { other -> Double in
          let start = (other * heads + head) * (free + value)
          let key =
            Array(x[1][start..<start + free]) + shared[other * turned..<(other + 1) * turned]
          return 0.6 * zip(q, key).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let p = Reference.softmax(scores, width: scores.count)
        for channel in 0..<value {
          result.append(
            (sequence...row).enumerated().reduce(0) { sum, entry in
              sum + p[entry.offset]
                * x[1][(entry.element * heads + head) * (free + value) + free + channel]
            })
        }
      }
    }
    return result
  }
  #expect(check.worst < 3e-4)
  #expect(largest.count == 2 && largest.allSatisfy { $0.isFinite && $0 > 0 })
}

@Test func latentAttentionReadsOperandsInTheTapesPrecision() {
  func run(_ precision: Precision) -> [Float] {
    let tape = Tape(recording: false, precision: precision)
    var logit: Float = 0
    let query = tape.constant(Tensor([1, 1.01171875, 0], shape: [1, 3]))
    let output = query.latentAttention(
      keyValue: tape.constant(Tensor([0, 1.01953125], shape: [1, 2])),
      sharedKey: tape.constant(Tensor([1, 0], shape: [1, 2])),
      rotary: RotaryEmbedding(width: 2, positionCount: 1, base: 100), headCount: 1, valueWidth: 1,
      sequenceLength: 1, scale: 2
    ) { logit = $0.scalar }
    return [output.value.scalars[0], logit]
  }
  #expect(run(.float32) == [1.01953125, 2.0234375])
  #expect(run(.bfloat16) == [1.015625, 2.03125])
}
