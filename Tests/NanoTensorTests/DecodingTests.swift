import CNanoKernels
import NanoTensor
import TensorTestSupport
import Testing

/// `x Wᵀ + b` in Double.
private func product(_ x: Tensor, _ w: Tensor, _ bias: Tensor) -> [Float] {
  let (a, b, c, depth) = (x.scalars, w.scalars, bias.scalars, w.shape.width)
  return (0..<x.shape.rowCount).flatMap { row in
    (0..<w.shape.rowCount).map { output in
      Float(
        (0..<depth).reduce(Double(c[output])) { $0 + Double(a[row * depth + $1]) * Double(b[output * depth + $1]) })
    }
  }
}

private func results(
  _ weight: DecodingWeight, _ x: Tensor, rows: Range<Int>, outputs: Range<Int>
) -> [Float] {
  var input = x.scalars
  let scratch = Scratch<Float>()
  return input.withUnsafeMutableBufferPointer {
    let out = scratch.rows(rows.count, width: outputs.count)
    let x = Rows($0.baseAddress!, stride: weight.depth)
    weight.multiply(x[rows.lowerBound], count: rows.count, outputs: outputs, into: out)
    return Array(UnsafeBufferPointer(start: out.start, count: rows.count * outputs.count))
  }
}

/// For depths that fill vectors and others: the product in Double, and the same bits however it is divided.
@Test(arguments: WeightFormat.allCases, [1, 7, 16, 37, 200])
func productsOfFewRows(format: WeightFormat, depth: Int) {
  let (rows, outputs) = (7, 45)
  let (x, w) = (wave([rows, depth], frequency: 1.3), wave([outputs, depth], frequency: 0.37))
  let bias = wave([outputs])
  let weight = DecodingWeight(w, bias: bias, format: format)
  let all = results(weight, x, rows: 0..<rows, outputs: 0..<outputs)
  let tolerance: Double =
    switch format {
    case .float32: 1e-6
    case .bfloat16: 3e-2
    case .int8: 6e-2
    }
  #expect(relativeDifference(all, product(x, w, bias)) < tolerance)
  for row in 0..<rows {
    let single = results(weight, x, rows: row..<row + 1, outputs: 3..<20)
    #expect(single == Array(all[row * outputs + 3..<row * outputs + 20]))
  }
}

/// Rows are read and written where indices say, and added.
@Test func productsOfChosenRows() {
  let (x, w) = (wave([4, 12], frequency: 1.3), wave([5, 12], frequency: 0.37))
  let weight = DecodingWeight(w, format: .float32)
  let all = product(x, w, Tensor(zeros: [5]))
  var input = x.scalars
  var output = [Float](repeating: 1, count: 15)
  input.withUnsafeMutableBufferPointer { input in
    output.withUnsafeMutableBufferPointer { output in
      weight.multiply(
        Rows(input.baseAddress!, stride: 12), count: 2, reading: [3, 1], outputs: 0..<5,
        into: Rows(output.baseAddress!, stride: 5), writing: [0, 2], adding: true)
    }
  }
  let expected = all[15..<20].map { $0 + 1 } + [Float](repeating: 1, count: 5) + all[5..<10].map { $0 + 1 }
  #expect(relativeDifference(output, expected) < 1e-6)
}

/// Scores and mixtures of cached positions, in every number of tiles that kernels tell apart.
@Test(arguments: [1, 15, 16, 17, 64, 100, 150]) func attentionToTiles(positions: Int) {
  let channels = 11
  let rows = wave([positions, channels], frequency: 1.7).scalars
  let query = wave([channels], frequency: 0.3).scalars
  let cache = PositionTiles(channelCount: channels + 2)
  for position in 0..<positions {
    cache.reserve(position + 1)
    cache.write(
      Array(rows[position * channels..<(position + 1) * channels]), channels: 1..<channels + 1, at: position)
  }
  var scores = [Float](repeating: .nan, count: PositionTiles.rounded(positions))
  cache.scores(query, channels: 1..<channels + 1, positions: positions, scale: 0.5, into: &scores)
  let expected = (0..<positions).map { position in
    Float((0..<channels).reduce(0.0) { $0 + 0.5 * Double(query[$1]) * Double(rows[position * channels + $1]) })
  }
  #expect(relativeDifference(Array(scores.prefix(positions)), expected) < 1e-6)
  kernels.softmax(&scores, positions: positions)
  #expect(abs(scores.reduce(0, +) - 1) < 1e-5)
  var mixed = [Float](repeating: .nan, count: channels)
  cache.mix(scores, channels: 1..<channels + 1, positions: positions, into: &mixed)
  let sums = (0..<channels).map { channel in
    Float((0..<positions).reduce(0.0) { $0 + Double(scores[$1]) * Double(rows[$1 * channels + channel]) })
  }
  #expect(relativeDifference(mixed, sums) < 1e-5)
}

/// A narrower instruction set computes the same.
@Test(arguments: InstructionSet.allCases.filter(\.isSupported)) func everyInstructionSetDecodes(set: InstructionSet)
  throws
{
  let table = try set.kernels()
  let (x, w) = (wave([5, 37], frequency: 1.3), wave([29, 37], frequency: 0.37))
  let bias = wave([29])
  var out = [Float](repeating: .nan, count: 5 * 29)
  let (input, weights, addends) = (x.scalars, w.scalars, bias.scalars)
  input.withUnsafeBufferPointer { input in
    weights.withUnsafeBufferPointer { weights in
      addends.withUnsafeBufferPointer { addends in
        out.withUnsafeMutableBufferPointer { out in
          var product = nk_row_product(
            weights: weights.baseAddress, format: NK_WEIGHT_FP32, weight_stride: 37, scales: nil,
            bias: addends.baseAddress, outputs: 29, depth: 37, count: 5, x: input.baseAddress, x_stride: 37,
            x_rows: nil,
            out: out.baseAddress, out_stride: 29, out_rows: nil, adds: false)
          table.row_product(&product)
        }
      }
    }
  }
  #expect(relativeDifference(out, product(x, w, bias)) < 1e-6)
}

/// Each member comes to every wait, and sees what the others wrote before.
@Test func teamsWaitForEachOther() {
  let pool = WorkerPool(threadCount: 3)
  let sums = Scratch<Int>()
  let (written, seen) = (sums.numbers(6), sums.numbers(6) + 3)
  pool.runTogether(3) { team in
    seen[team.index] = 0
    for round in 0..<200 {
      written[team.index] = round
      team.wait()
      if (0..<team.count).allSatisfy({ written[$0] == round }) { seen[team.index] += 1 }
      team.wait()
    }
  }
  #expect((0..<3).map { seen[$0] } == [200, 200, 200])
  let parts = (0..<3).map { index in
    var part = 0..<0
    pool.runTogether(3) { if $0.index == index { part = $0.part(of: 50, inGroupsOf: 16) } }
    return part
  }
  #expect(parts == [0..<16, 16..<32, 32..<50])
}
