internal import NanoCUDA

/// Batches of small matrices that take the steps of one iteration together: three launches a step, whatever extents
/// the matrices have.
struct SmallMatrixBatches {
  private let coefficients: [NewtonSchulz.Coefficients]
  private let batches: Int
  /// Of X, and of the upper triangle of A and B.
  private let tiles, upperTiles: DeviceTables.Blocks

  /// Those whose iterations have the same coefficients go together.
  static func grouped(_ batches: [MatrixBatch], in tables: inout DeviceTables.Contents) -> [SmallMatrixBatches] {
    var rest = batches[...]
    var groups: [SmallMatrixBatches] = []
    while let coefficients = rest.first?.kind.coefficients {
      let group = rest.filter { $0.kind.coefficients == coefficients }
      groups.append(SmallMatrixBatches(group, coefficients, in: &tables))
      rest.removeAll { $0.kind.coefficients == coefficients }
    }
    return groups
  }

  private init(
    _ batches: [MatrixBatch], _ coefficients: [NewtonSchulz.Coefficients], in tables: inout DeviceTables.Contents
  ) {
    self.coefficients = coefficients
    self.batches = tables.append(batches.map(\.record))
    let extent = TileRecord.extent
    var (tiles, upperTiles): ([TileRecord], [TileRecord]) = ([], [])
    for (index, batch) in batches.enumerated() {
      for matrix in 0..<batch.count {
        for row in stride(from: 0, to: batch.kind.rows, by: extent) {
          func tile(_ column: Int) -> TileRecord {
            TileRecord(owner: Int32(index), matrix: Int32(matrix), row: Int32(row), column: Int32(column))
          }
          tiles += stride(from: 0, to: batch.kind.columns, by: extent).map(tile)
          upperTiles += stride(from: row, to: batch.kind.rows, by: extent).map(tile)
        }
      }
    }
    self.tiles = tables.appendBlocks(tiles)
    self.upperTiles = tables.appendBlocks(upperTiles)
  }

  /// `A = X Xᵀ, X ← a X + (b A + c A²) X` for every step.
  func iterate(on gpu: CUDADevice, _ tables: DeviceTables) {
    func launch(_ name: String, _ tiles: DeviceTables.Blocks, _ arguments: [KernelArgument]) {
      gpu.launch(
        Kernel("newton_schulz", "newton_schulz_\(name)"), blocks: tiles.count, threads: 128, sharedBytes: 48 << 10,
        [tables.argument(batches), tables.argument(tiles.offset)] + arguments)
    }
    for (index, step) in coefficients.enumerated() {
      launch("gram", upperTiles, [.int(index % 2)])
      launch("polynomial", upperTiles, [.float(step.b), .float(step.c)])
      launch("step", tiles, [.int(index % 2), .float(step.a)])
    }
  }
}
