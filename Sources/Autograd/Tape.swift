internal import NanoPreconditions
internal import NanoCUDA
public import NanoTensor

/// The record of one forward computation, read backward for gradients.
///
/// A tape belongs to one thread. Operations on its variables append entries; ``gradients(of:seed:)`` pops
/// them, last first, so that what an entry saved is freed as soon as it has been used.
public final class Tape {
  /// What matrix products read.
  public let precision: Precision
  /// False for inference: nothing is recorded, and no operation keeps its inputs alive.
  public let isRecording: Bool
  /// Where products look for packed parameters.
  private let packedWeights: PackedWeights?

  private var entries: [Entry] = []
  private var store: ActivationStore
  private var nodeCount = 0
  private var isRead = false
  private var parameterNodes: [Parameter.ID: Int] = [:]
  /// In the order of their first use, with the number of entries before it.
  private var parameterUses: [(id: Parameter.ID, node: Int, firstEntry: Int)] = []
  /// What a tape that does not record was asked for, when a checkpoint must know.
  private var parametersSeen: [Parameter.ID]?

  private struct Entry {
    let output: Int
    let backward: (Activation, inout GradientSlots) -> Void
  }

  /// - Parameter packedWeights: shared with the tapes of other parts of the same batch, if there are any.
  public init(
    recording: Bool = true, precision: Precision = .float32, packedWeights: PackedWeights? = nil
  ) {
    isRecording = recording
    self.precision = precision
    self.packedWeights = packedWeights
    store = ActivationStore(recording ? precision.activationFormat : nil)
  }

  /// Keeps what a variable holds for a backward pass, in half precision if the products read that.
  public func keep(_ variable: Variable) -> Activation {
    switch variable.content {
    case .whole(let tensor): store.keep(tensor)
    case .half, .both: variable.content
    }
  }

  /// On a GPU, memory for what ``keep(_:)`` would keep, for an operation that writes it by the way; nil where there is
  /// nothing to round.
  func roomToKeep(_ variable: Variable) -> HalfTensor? {
    guard isRecording, let format = precision.activationFormat, case .whole(let tensor) = variable.content,
      let gpu = tensor.gpu
    else { return nil }
    return HalfTensor(uninitialized: tensor.shape, format: format, on: gpu)
  }

  /// A variable as products read it, whether or not anything is recorded.
  func operand(_ variable: Variable) -> Activation {
    keep(variable).rounded(to: precision.activationFormat)
  }

  /// The variable of a parameter; the same parameter gives the same node.
  public func variable(_ parameter: Parameter) -> Variable {
    guard isRecording else {
      parametersSeen?.append(parameter.id)
      return Variable(
        .whole(parameter.value), node: .constant, tape: self, packedWeights: packedWeights)
    }
    return Variable(
      .whole(parameter.value), node: node(of: parameter.id), tape: self,
      packedWeights: packedWeights)
  }

  private func node(of id: Parameter.ID) -> Node {
    if let index = parameterNodes[id] { return Node(index: index) }
    let node = makeNode()
    parameterNodes[id] = node.index
    parameterUses.append((id, node.index, entries.count))
    return node
  }

  /// A variable without gradient.
  public func constant(_ value: Tensor) -> Variable {
    Variable(.whole(value), node: .constant, tape: self)
  }

  /// The variable of a result. `backward` gets the gradient of the result and adds to those of the inputs;
  /// it is dropped unread when nothing is recorded or no input has a gradient.
  /// - Precondition: inputs with a gradient are of this tape.
  public func record(
    _ value: Tensor, inputs: Variable..., operation: String = #function,
    backward: @escaping (_ gradient: Tensor, _ slots: inout GradientSlots) -> Void
  ) -> Variable {
    record(.whole(value), inputs: inputs, operation: operation) { gradient, slots in backward(gradient.tensor, &slots) }
  }

  /// The same for a result, and its gradient, of 32 or 16 bits a number.
  public func record(
    _ content: Activation, inputs: [Variable], operation: String = #function,
    backward: @escaping (_ gradient: Activation, _ slots: inout GradientSlots) -> Void
  ) -> Variable {
    for input in inputs { checkOwn(input, operation) }
    guard isRecording, inputs.contains(where: { !$0.node.isConstant }) else {
      return Variable(content, node: .constant, tape: self)
    }
    let node = makeNode()
    if isGivenUp(content) {  // nobody will read it: what it holds is needed elsewhere
      entries.removeAll()
      store.forget()
    } else {
      entries.append(Entry(output: node.index, backward: backward))
    }
    return Variable(content, node: node, tape: self)
  }

  /// The same for a result that waits for its product.
  func record(
    _ product: DeferredProduct, inputs: [Variable],
    backward: @escaping (_ gradient: Activation, _ slots: inout GradientSlots) -> Void
  ) -> Variable {
    guard isRecording, inputs.contains(where: { !$0.node.isConstant }) else {
      return Variable(product, node: .constant, tape: self)
    }
    let node = makeNode()
    entries.append(Entry(output: node.index, backward: backward))
    return Variable(product, node: node, tape: self)
  }

  /// The gradients of `seed` · `result` with respect to every parameter that was used. Consumes the tape.
  /// - Precondition: `result` is a scalar of this tape, which has not been read before.
  public func gradients(of result: Variable, seed: Float = 1) -> Gradients {
    var byParameter: [Parameter.ID: Tensor] = [:]
    byParameter.reserveCapacity(parameterNodes.count)
    forEachGradient(of: result, seed: seed) { byParameter[$0] = $1 }
    return Gradients(byParameter)
  }

  /// Calls `body` with each of those gradients as soon as it is complete, the ones of the last operations first, and keeps
  /// none: where they are added to others, no two of a large model need exist. Consumes the tape.
  /// - Precondition: `result` is a scalar of this tape, which has not been read before.
  public func forEachGradient(
    of result: Variable, seed: Float = 1, _ body: (_ parameter: Parameter.ID, _ gradient: consuming Tensor) -> Void
  ) {
    checkPrecondition(
      result.shape.elementCount == 1,
      "gradients(of:): a scalar, but the shape is \(result.shape)")
    checkOwn(result, "gradients(of:)")
    checkPrecondition(!isRead, "gradients(of:): the tape was read before; record the computation again on a fresh one")
    isRead = true
    _ = propagated(
      .whole(Tensor(repeating: seed, shape: result.shape, on: result.content.gpu)), from: result.node, seed: seed, body)
  }

  /// Reads the tape backward from a gradient at `node`.
  /// - Parameter body: called with every parameter's gradient once the operation that used it first has been read.
  /// - Returns: the gradients of what is no parameter.
  private func propagated(
    _ gradient: Activation, from node: Node, seed: Float, _ body: (Parameter.ID, consuming Tensor) -> Void
  ) -> GradientSlots {
    store.forget()
    func passOnGradients(_ slots: inout GradientSlots) {
      while let use = parameterUses.last, use.firstEntry >= entries.count {
        parameterUses.removeLast()
        if let gradient = slots.take(use.node) { body(use.id, gradient.tensor) }
      }
    }
    var slots = GradientSlots(count: nodeCount, seed: seed)
    slots.accumulate(gradient, into: node)
    while let entry = entries.popLast() {
      if isGivenUp(gradient) {  // whoever set the limit asks afterwards
        entries.removeAll()
        break
      }
      if let gradient = slots.take(entry.output) { entry.backward(gradient, &slots) }
      passOnGradients(&slots)
    }
    passOnGradients(&slots)
    return slots
  }

  /// Runs `body` on `input` keeping nothing but the input; the backward pass runs it once more.
  ///
  /// Trades one more forward of `body` for the memory of everything inside it. In float32 the gradients are
  /// the same bits as without.
  /// - Parameter body: a computation on the tape that it is given, the same every time.
  /// - SeeAlso: Chen et al., 2016, arXiv:1604.06174.
  public func checkpoint(
    _ input: Variable, _ body: @escaping (_ input: Variable, _ isRecomputation: Bool) -> Variable
  ) -> Variable {
    let forward = Tape(recording: false, precision: precision, packedWeights: packedWeights)
    forward.parametersSeen = []
    let output = body(Variable(input.content, node: .constant, tape: forward), false).content
    checkOwn(input, "checkpoint")
    guard isRecording else { return Variable(output, node: .constant, tape: self) }
    let kept = keep(input)
    let node = input.node
    for id in forward.parametersSeen ?? [] { _ = self.node(of: id) }

    let result = makeNode()
    entries.append(
      Entry(output: result.index) { [self] gradient, slots in
        let again = Tape(precision: precision, packedWeights: packedWeights)
        let leaf = Variable(.whole(kept.tensor), node: again.makeNode(), tape: again)
        let output = body(leaf, true)
        var inner = again.propagated(gradient, from: output.node, seed: slots.seed) { id, gradient in
          slots.accumulate(gradient, into: self.node(of: id))
        }
        if let gradient = inner.take(leaf.node.index) {
          slots.accumulate(gradient, into: node)
        }
      })
    return Variable(output, node: result, tape: self)
  }

  /// Whether what is computed where a result lies has passed a memory limit, so that nobody will read it.
  private func isGivenUp(_ result: Activation) -> Bool {
    result.gpu?.isGivingUp ?? MemoryPool.shared.isOverLimit
  }

  /// A node of another tape would be mistaken for whatever has its number here.
  private func checkOwn(_ variable: Variable, _ operation: String) {
    checkPrecondition(
      variable.node.isConstant || variable.tape === self,
      "\(operation): the variable of shape \(variable.shape) is of another tape")
  }

  private func makeNode() -> Node {
    nodeCount += 1
    return Node(index: nodeCount - 1)
  }
}
