import NanoAutograd
import NanoLayers
import NanoTensor
import Testing

@Test func embeddingLayer() {
  var generator = RandomGenerator(seed: 6)
  let layer = Embedding(count: 5, width: 3, using: &generator)
  let tape = Tape(recording: false)
  let rows = layer([4, 1], in: ForwardContext(tape: tape, sequenceLength: 2)).value.scalars
  let table = layer.table.value.scalars
  #expect(rows == Array(table[12..<15]) + Array(table[3..<6]))
}
