"""Golden token ids of the sentencepiece Python package.

Writes Tests/Fixtures/sentencepiece/: tokenizer.model, trained with the settings of SentencePieceTokenizer on
sentences made here, ids.json with texts and their ids, and tokenizer.json, whose ids are compared with SentencePiece's
for 20,000 texts more. Needs sentencepiece and tokenizers.
"""
import io
import json
import os
import random
import sys

import sentencepiece
import tokenizers

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
    "\u2581", "\u2581 b", "a\u2581b", "a \u2581 b", "a\u2581 \u2581", " \u2581", "\u2581\u2581Kim\u2581", "a\u2581\u0301", "\u3041 b",
    "\u0000", "a\u0000b \u0000 c", "<0x41>", "<0xE2><0x96><0x81>", "a <0x0A> b", "\ufeffKim", "\ufffd", "\U0010ffff",
]
names = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
special = [processor.is_unknown(i) or processor.is_control(i) for i in range(len(names))]
normal = [not special[i] and not processor.is_byte(i) for i in range(len(names))]
generator = random.Random(5)
parts = [n.replace("\u2581", " ") for n, ok in zip(names, normal) if ok]
odd = ["  ", " ", "   ", "\u2581", "\u2581 ", " \u2581", "\n", "\t", "\r\n", "</s>", "<s>", "<unk>", "<0x41>", "<0xE2>", "é", "e\u0301",
       "\u0301", "日", "ぁ", "🙂", "\u200d", "\u00a0", "\u3000", "\u2028", "\ufeff", "ﬁ", "１"]


def scalar():
    # Surrogates are no scalars.
    value = generator.choice([0x20, 0x80, 0x3000, 0x10000, 0x110000 - 0x800])
    value = generator.randrange(value)
    return chr(value if value < 0xD800 else value + 0x800)


def made_text():
    kinds = [lambda: generator.choice(parts), lambda: generator.choice(odd), scalar]
    return "".join(generator.choice(kinds)() for _ in range(generator.randrange(24)))


texts += [made_text() for _ in range(300)]
with open(os.path.join(folder, "ids.json"), "w") as file:
    file.write("[\n" + ",\n".join(json.dumps({"text": t, "ids": processor.encode(t)}) for t in texts) + "\n]\n")
print(processor.get_piece_size(), "pieces,", len(texts), "texts")

# The same model as a tokenizer.json: byte pieces in the vocabulary alone, every pair of pieces that makes a third as a
# merge.
known = {s for s, ok in zip(names, normal) if ok}
merges = [(-processor.get_score(i), i, -len(w[:k].encode()), w[:k], w[k:])
          for i, w in enumerate(names) if normal[i] for k in range(1, len(w)) if w[:k] in known and w[k:] in known]


def replacement(of, by):
    return {"type": "Replace", "pattern": {"String": of}, "content": by}


def sequence(name):
    return {"Sequence": {"id": name, "type_id": 0}}


start = {"SpecialToken": {"id": "</s>", "type_id": 0}}
description = {
    "version": "1.0", "truncation": None, "padding": None,
    "added_tokens": [
        {"id": i, "content": names[i], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True} for i in range(len(names)) if special[i]],
    "normalizer": replacement(" ", "\u2581"), "pre_tokenizer": None,
    "post_processor": {
        "type": "TemplateProcessing", "single": [start, sequence("A")], "pair": [start, sequence("A"), sequence("B")],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [processor.eos_id()], "tokens": ["</s>"]}}},
    "decoder": {
        "type": "Sequence", "decoders": [replacement("\u2581", " "), {"type": "ByteFallback"}, {"type": "Fuse"}]},
    "model": {
        "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
        "vocab": {s: i for i, s in enumerate(names)}, "merges": [list(m[3:]) for m in sorted(merges)]},
}
text = json.dumps(description, ensure_ascii=False)
open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8").write(text)
fast = tokenizers.Tokenizer.from_str(text)
fast.encode_special_tokens = True
for sample in texts + [made_text() for _ in range(20_000)]:
    ids = fast.encode(sample).ids
    assert ids == [processor.eos_id()] + processor.encode(sample), sample
    assert fast.decode(ids) == processor.decode(ids) == sample.replace("\u2581", " "), sample
print(len(merges), "merges")
