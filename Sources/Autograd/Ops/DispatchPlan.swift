internal import NanoCUDA
internal import NanoTensor

// N rows, E experts, k chosen ones a row, M = N·k assignments.

/// What a router chose on a GPU, sorted by expert. How many rows an expert has is known there alone.
struct DispatchPlan: Sendable {
  /// N×k, each row's experts from the highest score down.
  let chosen: DeviceIndices
  /// Assignments n·k + slot sorted by expert, stably; and the place of each assignment among them.
  let order, places: DeviceIndices
  /// E + 1: where each expert's assignments begin.
  let offsets: DeviceIndices
  /// E + 2: the load of each expert, the sum of the entropies of the rows' scores, and the largest logit.
  let summary: Tensor

  let rowCount, countPerRow, expertCount: Int

  var assignmentCount: Int { rowCount * countPerRow }

  /// - Parameters:
  ///   - chosen: N×k.
  ///   - partial: entropies and largest logits of blocks of rows, as `route` leaves them.
  init(
    sorting chosen: DeviceIndices, rowCount: Int, countPerRow: Int, expertCount: Int, partial: Tensor,
    on gpu: CUDADevice
  ) {
    let count = rowCount * countPerRow
    self.chosen = chosen
    order = DeviceIndices(uninitialized: count, on: gpu)
    places = DeviceIndices(uninitialized: count, on: gpu)
    offsets = DeviceIndices(uninitialized: expertCount + 1, on: gpu)
    summary = Tensor(uninitialized: [expertCount + 2], on: gpu)
    self.rowCount = rowCount
    self.countPerRow = countPerRow
    self.expertCount = expertCount
    gpu.launch(
      Kernel("routing", "plan_experts"), blocks: expertCount, threads: 1024,
      [
        chosen.argument, partial.argument, offsets.argument, order.argument, places.argument,
        summary.argument, .int(count), .int(expertCount), .int(partial.elementCount / 2),
      ])
  }
}
