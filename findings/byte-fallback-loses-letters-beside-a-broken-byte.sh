#!/usr/bin/env bash
# The decoder ByteFallback of tokenizers writes U+FFFD for every byte of a run of byte pieces of which one is not UTF-8, letters too.
#
# Packages: tokenizers 0.23.3, sentencepiece 0.2.3 (PyPI, Linux x86-64).
# Guess: a tokenizer.json with byte fallback is what SentencePiece models are converted to, so the same tokens give the same text:
#        bytes that are valid are read, and what is broken between them is one U+FFFD.
# Seen:  the pieces of the bytes 48 69 E2 21 are "Hi�!" to SentencePiece, and "����" to the decoder. Without the broken byte both
#        write "Hi". A model that is little trained writes such runs often, so its text differs between the two where its tokens
#        are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet --disable-pip-version-check tokenizers==0.23.3 sentencepiece==0.2.3

cat >"$folder/decode.py" <<'PYTHON'
import io

import sentencepiece
from tokenizers import Tokenizer, decoders, models

trained = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(["a quiet fox looked at the river and went home again"] * 50), model_writer=trained, vocab_size=300,
    model_type="bpe", byte_fallback=True, hard_vocab_limit=False, minloglevel=2)
processor = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())

vocabulary = {processor.id_to_piece(token): token for token in range(processor.get_piece_size())}
converted = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))
converted.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])

for run in ([0x48, 0x69], [0x48, 0x69, 0xE2, 0x21]):
    tokens = [processor.piece_to_id(f"<0x{byte:02X}>") for byte in run]
    print(bytes(run).hex(" "), ascii(processor.decode(tokens)), ascii(converted.decode(tokens)))
PYTHON

"$folder/environment/bin/python" "$folder/decode.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
48 69 'Hi' 'Hi'
48 69 e2 21 'Hi\ufffd!' '\ufffd\ufffd\ufffd\ufffd'
SEEN
