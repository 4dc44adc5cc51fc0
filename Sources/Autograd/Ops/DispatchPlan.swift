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
    var (order, places) = (DeviceIndices(uninitialized: count, on: gpu), DeviceIndices(uninitialized: count, on: gpu))
    var offsets = DeviceIndices(uninitialized: expertCount + 1, on: gpu)
    var summary = Tensor(uninitialized: [expertCount + 2], on: gpu)
    gpu.launch(
      Kernel("routing", "plan_experts"), blocks: expertCount, threads: 1024,
      [
        chosen.argument, partial.argument, .output(&offsets), .output(&order), .output(&places),
        .output(&summary), .int(count), .int(expertCount), .int(partial.elementCount / 2),
      ])
    (self.chosen, self.order, self.places) = (chosen, order, places)
    (self.offsets, self.summary) = (offsets, summary)
    self.rowCount = rowCount
    self.countPerRow = countPerRow
    self.expertCount = expertCount
  }
}
