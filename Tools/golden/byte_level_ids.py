"""Golden token ids of the tokenizers library for GPT-2's byte-level byte-pair encoding.

Writes Tests/Fixtures/byte_level/: tokenizer.json, trained on sentences made here, the same as vocab.json and merges.txt,
and ids.json with texts and their ids. Needs tokenizers.
"""
import json
import os
import random
import sys

import tokenizers

folder = sys.argv[1] if len(sys.argv) > 1 else "Tests/Fixtures/byte_level"
os.makedirs(folder, exist_ok=True)
tokenizer = tokenizers.ByteLevelBPETokenizer()
names, things = ["Ana", "Bo", "Kim", "Zoë"], ["ball", "kite", "boat", "apple", "song"]
tokenizer.train_from_iterator(
    [f"{n} didn't find the {t} in {1900 + i}. \"Where's my {t}?\" they'll ask.\n\n  I'm here, we've {i} of them!"
     for i, n in enumerate(names * 5) for t in things], vocab_size=340, special_tokens=["<|endoftext|>"])
tokenizer.save(os.path.join(folder, "tokenizer.json"))
tokenizer.save_model(folder)
texts = [
    "Kim found a kite near the river.", "  two  spaces   and more ", "\n\nlines\n\ttabs\r\n ", "Zoë ate a crêpe — 3,50 €",
    "日本語のテキスト", "🙂👩‍👩‍👧‍👦 emoji", "e\u0301 combining", "ﬁ ligature １２ ² ½ Ⅷ", "", "a", " ", "\u00a0no-break \u3000 wide",
    "x" * 300, "don't 'tis I'LL they'll've 's 're'll", "\u0085next\u2028line\u200bzero", "a1b2 c_d-e\u2581f", "मानक हिन्दी", "\x00\x1f\x7f",
]
generator = random.Random(3)
alphabet = ["'", "s", "ll", " ", "  ", "\n", "\t", "a", "Kim", "7", "!", "é", "\u0301", "日", "🙂", "\u00a0", "²", "_"]
texts += ["".join(generator.choices(alphabet, k=25)) for _ in range(40)]
json.dump([{"text": t, "ids": tokenizer.encode(t).ids} for t in texts],
          open(os.path.join(folder, "ids.json"), "w"), ensure_ascii=True, indent=0)
print(tokenizer.get_vocab_size())
