import NanoAutograd
import NanoTensor

/// The two experts of every row.
func chosenExperts(
  _ logits: Tensor, _ scoring: RouterScoring, biases: Tensor? = nil
) -> ExpertSelection {
  let tape = Tape(recording: false)
  return withExtendedLifetime(tape) {
    tape.constant(logits).routed(topK: 2, scoring: scoring, biases: biases).selection
  }
}
