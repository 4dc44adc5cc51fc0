internal import NanoCUDA

extension ChunkRecord {
  /// All chunks of the parameters with these indices.
  static func chunks(of indices: some Sequence<Int>, _ parameters: [ParameterRecord]) -> [ChunkRecord] {
    indices.flatMap { index in
      stride(from: 0, to: parameters[index].count, by: ChunkRecord.size).map { start in
        ChunkRecord(parameter: Int32(index), start: start)
      }
    }
  }
}

extension StackRecord {
  /// The stacks, and the tiles of all their matrices.
  static func records(of stacks: [BatchedStack], _ batches: [MatrixBatch]) -> ([StackRecord], [TileRecord]) {
    var (records, tiles): ([StackRecord], [TileRecord]) = ([], [])
    for (index, entry) in stacks.enumerated() {
      let (stack, batch) = (entry.stack, batches[entry.batch])
      let firstTile = tiles.count
      for matrix in 0..<stack.count {
        for row in stride(from: 0, to: stack.rows, by: TileRecord.extent) {
          for column in stride(from: 0, to: stack.columns, by: TileRecord.extent) {
            tiles.append(
              TileRecord(owner: Int32(index), matrix: Int32(matrix), row: Int32(row), column: Int32(column)))
          }
        }
      }
      let (direction, orthogonal) = batch.addresses(ofMatrix: entry.firstMatrix)
      records.append(
        StackRecord(
          parameter: Int32(entry.parameter), rows: Int32(stack.rows), columns: Int32(stack.columns),
          isTransposed: stack.rows > stack.columns ? 1 : 0, format: batch.kind.format.rawValue,
          matrixStride: Int64(batch.matrixStride), direction: direction, orthogonal: orthogonal,
          firstTile: Int32(firstTile), tiles: Int32((tiles.count - firstTile) / stack.count),
          safetyFactor: entry.iteration.safetyFactor, epsilon: entry.iteration.epsilon))
    }
    return (records, tiles)
  }
}
