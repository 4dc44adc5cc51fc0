package import NanoCommunication
internal import NanoModels
internal import NanoOptim
internal import NanoTensor

/// The optimizer's state on several ranks, of which each keeps its parts alone.
extension Trainer {
  /// Every rank takes over the weights and the step count of rank 0, and of the optimizer's state there what it updates
  /// from now on.
  package mutating func distributeState() {
    guard communicator.rankCount > 1 else { return }
    model.takeOverWeightsOfRankZero(communicator)
    let isFirst = communicator.rank == 0
    if isFirst { communicator.broadcast(encoding: StepState(stepCount: stepCount, lossScale: lossScale)) }
    let step = isFirst ? StepState(stepCount: stepCount, lossScale: lossScale) : communicator.receiveBroadcast()
    let whole = states
    states = []
    ownership = ParameterOwnership(of: descriptions, among: communicator.rankCount) { rule.updateWork(of: $0) }
    for part in ownership.parts where isFirst || part.rank == communicator.rank {
      let buffers =
        isFirst
        ? buffers(of: whole[part.parameter]).compactMap { $0.extracting(part, of: descriptions[part.parameter]) }
        : communicator.receiveBuffers(from: 0)
      if part.rank == communicator.rank {
        states.append(restoredState(of: part, stepCount: step.stepCount, buffers))
      } else {
        communicator.send(buffers, to: part.rank)
      }
    }
    (stepCount, lossScale) = (step.stepCount, step.lossScale)
  }

  private func restoredState(
    of part: ParameterOwnership.Part, stepCount: Int, _ buffers: [StateBuffer]
  ) -> Rule.State {
    let snapshot = StateSnapshot(
      stepCount: stepCount, buffers: Dictionary(uniqueKeysWithValues: buffers.map { ($0.name, $0.elements) }))
    do {
      return try rule.restoreState(for: part.description, from: snapshot)
    } catch {
      fatalError("Trainer: rank 0 has another model: \(error)")
    }
  }

  /// - Parameter name: of the only one that is wanted; nil for all.
  private func buffers(of state: Rule.State, named name: String? = nil) -> [StateBuffer] {
    var buffers: [StateBuffer] = []
    rule.forEachBuffer(of: state) { buffer, elements in
      guard buffer == name ?? buffer else { return }
      buffers.append(StateBuffer(name: buffer, elements: elements.withUnsafeBufferPointer { Array($0) }))
    }
    return buffers
  }

  // MARK: All of it, on rank 0

  /// Calls `body` with every buffer of every parameter's optimizer state, on one rank where it lies. On several it is rank
  /// 0's to call, while the others are in ``serveOptimizerState()``.
  /// - Parameter name: of the only buffer that is wanted; nil for all.
  func forEachOptimizerBuffer(
    named name: String? = nil, _ body: (_ parameter: String, _ buffer: String, _ elements: Span<Float>) throws -> Void
  ) rethrows {
    guard communicator.rankCount > 1 else {
      for (part, state) in zip(parts, states) {
        try rule.forEachBuffer(of: state) { buffer, elements in
          if buffer == name ?? buffer { try body(part.description.name, buffer, elements) }
        }
      }
      return
    }
    for rank in 1..<communicator.rankCount {
      communicator.send(encoding: StateRequest(buffer: name) as StateRequest?, to: rank)
    }
    var (rest, own) = (ownership.parts[...], states[...])
    /// Of the next parameter, whose parts lie one behind the other.
    func next() -> (parameter: Int, buffers: [StateBuffer])? {
      guard let parameter = rest.first?.parameter else { return nil }
      var joined: [StateBuffer] = []
      while let part = rest.first, part.parameter == parameter {
        rest.removeFirst()
        let buffers =
          part.rank == 0
          ? self.buffers(of: own.removeFirst(), named: name) : communicator.receiveBuffers(from: part.rank)
        for buffer in buffers.map({ $0.renumbered(by: part.firstMatrix) }) {
          if let place = joined.firstIndex(where: { $0.name == buffer.name }) {
            joined[place].elements += buffer.elements
          } else {
            joined.append(buffer)
          }
        }
      }
      return (parameter, joined)
    }
    do {
      while let (parameter, buffers) = next() {
        for buffer in buffers { try body(descriptions[parameter].name, buffer.name, buffer.elements.span) }
      }
    } catch {
      // What the others send all the same.
      while next() != nil {}
      throw error
    }
  }

  /// Sends rank 0 this rank's parts of what it asks for, until it lets go.
  package func serveOptimizerState() {
    while let request = communicator.receive(decoding: StateRequest?.self, from: 0) {
      for state in states { communicator.send(buffers(of: state, named: request.buffer), to: 0) }
    }
  }
}

/// What a trainer's state holds beside weights and the optimizer's.
private struct StepState: Codable {
  let stepCount: Int
  let lossScale: LossScale?
}

/// What rank 0 wants of the optimizer's state: all buffers, or those of one name.
private struct StateRequest: Codable {
  let buffer: String?
}

/// What a rule keeps of a parameter: of one of its matrices, if the name ends with a number, else of all in their order.
private struct StateBuffer {
  var name: String
  var elements: [Float]

  /// Of a part of a parameter; nil where this is of a matrix that is not in it.
  func extracting(_ part: ParameterOwnership.Part, of parameter: ParameterDescription) -> StateBuffer? {
    guard let matrix else {
      func place(_ element: Int) -> Int { elements.count * element / parameter.shape.elementCount }
      let places = place(part.elements.lowerBound)..<place(part.elements.upperBound)
      return StateBuffer(name: name, elements: Array(elements[places]))
    }
    let first = part.firstMatrix
    guard first..<first + (part.description.shape.matrixStack?.count ?? 0) ~= matrix else { return nil }
    return renumbered(by: -first)
  }

  /// As it is called where so many more matrices stand before it.
  func renumbered(by difference: Int) -> StateBuffer {
    guard let matrix else { return self }
    return StateBuffer(name: "\(name.prefix { $0 != "." }).\(matrix + difference)", elements: elements)
  }

  private var matrix: Int? { name.split(separator: ".").dropFirst().last.flatMap { Int($0) } }
}

extension Communicator {
  /// Lets the other ranks' ``Trainer/serveOptimizerState()`` return.
  package func endOptimizerStateRequests() {
    for rank in 1..<rankCount { send(encoding: nil as StateRequest?, to: rank) }
  }

  /// Waits until they are there: a whole state under way would take its size once more.
  fileprivate func send(_ buffers: [StateBuffer], to rank: Int) {
    send(encoding: buffers.map(\.name), to: rank)
    for buffer in buffers { send(buffer.elements, to: rank) }
    awaitSends(leaving: 0)
  }

  fileprivate func receiveBuffers(from rank: Int) -> [StateBuffer] {
    receive(decoding: [String].self, from: rank).map { StateBuffer(name: $0, elements: receive(from: rank)) }
  }
}
