"""Golden token ids of the sentencepiece Python package.

Writes Tests/Fixtures/sentencepiece/: tokenizer.model, trained with the settings of SentencePieceTokenizer on
sentences made here, and ids.json with texts and their ids. Needs sentencepiece.
"""
import io
import json
import os
import sys

import sentencepiece

folder = sys.argv[1] if len(sys.argv) > 1 else "Tests/Fixtures/sentencepiece"
names, things = ["Ana", "Bo", "Kim", "Zoë"], ["ball", "kite", "little boat", "red apple", "song"]
verbs = ["found", "lost", "wanted", "gave away", "hid"]
places = ["in the garden", "near the river", "at home", "under the old tree"]
sentences = [
    f"{n} {v} a {t} {p}. \"Where is my {t}?\" asked {m}.\nThey looked for it together."
    for n in names for v in verbs for t in things for p in places for m in names if m != n
]
model = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(sentences), model_writer=model, model_type="bpe", vocab_size=420,
    byte_fallback=True, normalization_rule_name="identity", add_dummy_prefix=False,
    remove_extra_whitespaces=False, hard_vocab_limit=False, character_coverage=0.9999,
    max_sentence_length=16384, num_threads=1, minloglevel=2)
os.makedirs(folder, exist_ok=True)
open(os.path.join(folder, "tokenizer.model"), "wb").write(model.getvalue())
processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
texts = [
    "Kim found a kite near the river.", "  two  spaces   and more ", "\n\nlines\n\ttabs\r\n", "Zoë ate a crêpe — 3,50 €",
    "日本語のテキスト", "🙂👩‍👩‍👧‍👦 emoji", "e\u0301 combining", "ﬁ ligature １２", "</s><unk><s>", "", "a", "\u00a0no-break",
    "x" * 300, "Ana hid a song at home." * 20,
]
json.dump([{"text": t, "ids": processor.encode(t)} for t in texts],
          open(os.path.join(folder, "ids.json"), "w"), ensure_ascii=True, indent=0)
print(processor.get_piece_size())
