"""Compares one program with bench-cli on an exported model, and prints one row of the table.

  python3 client.py PROGRAM REFERENCE_FILE EXPORTED_PATH MODEL_NAME TOLERANCE

PROGRAM is transformers, llama.cpp, gguf, ctranslate2 or mlx. TOLERANCE is how far apart the mean log-likelihoods of a
token may be, in nats; above 0.01, as of models in fewer bits, greedy text may differ too. Exits with 1 where anything
differs.
"""
import importlib.metadata
import json
import math
import sys
import tempfile


class Transformers:
    package = "transformers"

    def __init__(self, path):
        import torch
        import transformers
        self.torch = torch
        self.model = transformers.AutoModelForCausalLM.from_pretrained(path).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(path)

    def encode(self, text):
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def log_probabilities(self, inputs, targets):
        with self.torch.no_grad():
            logits = self.model(input_ids=self.torch.tensor([inputs])).logits[0]
        rows = self.torch.log_softmax(logits.double(), -1)
        return [rows[place, target].item() for place, target in enumerate(targets)]

    def greedy(self, prompt, count):
        with self.torch.no_grad():
            ids = self.model.generate(
                **self.tokenizer(prompt, return_tensors="pt"), max_new_tokens=count, do_sample=False)[0]
        return self.tokenizer.decode(ids, skip_special_tokens=True)


class Llama:
    """llama.cpp behind its own server, in the wheel of the xllamacpp package."""
    package = "xllamacpp"

    def __init__(self, path):
        import xllamacpp
        parameters = xllamacpp.CommonParams()
        parameters.model.path = path
        parameters.n_parallel = 1
        parameters.warmup = False
        parameters.verbosity = -1
        # Its defaults round keys and values to halves.
        parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        self.server = xllamacpp.Server(parameters)
        self.count = self._vocabulary(path)

    @staticmethod
    def _vocabulary(path):
        import gguf
        return len(gguf.GGUFReader(path).get_field("tokenizer.ggml.tokens").data)

    def _post(self, place, body):
        import urllib.request
        request = urllib.request.Request(
            self.server.listening_address + place, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def encode(self, text):
        return self._post("/tokenize", {"content": text, "add_special": False, "parse_special": False})["tokens"]

    def log_probabilities(self, inputs, targets):
        result = []
        for place, target in enumerate(targets):
            answer = self._post("/completion", {
                "prompt": inputs[:place + 1], "n_predict": 1, "n_probs": self.count, "temperature": 0,
                "cache_prompt": True})
            rows = answer["completion_probabilities"][0]["top_logprobs"]
            result.append(next(row["logprob"] for row in rows if row["id"] == target))
        return result

    def greedy(self, prompt, count):
        answer = self._post("/completion", {"prompt": prompt, "n_predict": count, "temperature": 0})
        return prompt + answer["content"]


class GGUF:
    """The gguf package reads files; it runs none. What it writes of what it read must be the same file."""
    package = "gguf"

    def __init__(self, path):
        import gguf
        reader = gguf.GGUFReader(path)
        with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
            architecture = reader.get_field("general.architecture").contents()
            writer = gguf.GGUFWriter(file.name, architecture)
            for field in reader.fields.values():
                if field.name.startswith("GGUF.") or field.name == "general.architecture":
                    continue
                writer.add_key_value(
                    field.name, field.contents(), field.types[0], field.types[1] if len(field.types) > 1 else None)
            for tensor in reader.tensors:
                writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            assert open(file.name, "rb").read() == open(path, "rb").read(), "the gguf package writes other bytes"


class CTranslate2:
    package = "ctranslate2"

    def __init__(self, path):
        import ctranslate2
        import transformers
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        folder = tempfile.mkdtemp() + "/converted"
        ctranslate2.converters.TransformersConverter(path).convert(folder)
        self.generator = ctranslate2.Generator(folder)

    def encode(self, text):
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def log_probabilities(self, inputs, targets):
        import ctranslate2
        import numpy
        rows = numpy.array(
            self.generator.forward_batch([self.tokenizer.convert_ids_to_tokens(inputs)], return_log_probs=True).to(
                ctranslate2.DataType.float32))[0]
        return [float(rows[place, target]) for place, target in enumerate(targets)]

    def greedy(self, prompt, count):
        prompt = self.tokenizer(prompt).input_ids
        ids = self.generator.generate_batch(
            [self.tokenizer.convert_ids_to_tokens(prompt)], max_length=count, sampling_topk=1,
            include_prompt_in_result=False)[0].sequences_ids[0]
        return self.tokenizer.decode(prompt + ids, skip_special_tokens=True)


class MLX:
    package = "mlx-lm"

    def __init__(self, path):
        import mlx.core
        import mlx_lm
        self.mlx, self.mlx_lm = mlx.core, mlx_lm
        self.model, self.tokenizer = mlx_lm.load(path)

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False)

    def log_probabilities(self, inputs, targets):
        logits = self.model(self.mlx.array([inputs]))[0].astype(self.mlx.float32)
        rows = logits - self.mlx.logsumexp(logits, axis=-1, keepdims=True)
        return [rows[place, target].item() for place, target in enumerate(targets)]

    def greedy(self, prompt, count):
        text = self.mlx_lm.generate(self.model, self.tokenizer, self.tokenizer.encode(prompt), max_tokens=count)
        return prompt + text


PROGRAMS = {"transformers": Transformers, "llama.cpp": Llama, "gguf": GGUF, "ctranslate2": CTranslate2, "mlx": MLX}


def check(program, reference, path, tolerance):
    """The cells behind the names, and whether all is as it should be."""
    try:
        client = program(path)
    except Exception as error:
        return [f"no: {str(error).splitlines()[0][:80]}" if str(error) else f"no: {type(error).__name__}"] + ["–"] * 3, False
    if not hasattr(client, "encode"):
        return ["yes, and writes the same bytes"] + ["–"] * 3, True
    others = sum(client.encode(text["text"]) != text["ids"] for text in reference["texts"])
    tokens, context, total = reference["tokens"], reference["context"], 0.0
    for start in range(0, len(tokens), context):
        targets = tokens[start:start + context]
        inputs = [tokens[start - 1] if start else reference["end"]] + targets[:-1]
        total -= math.fsum(client.log_probabilities(inputs, targets))
    difference = abs(total / len(tokens) - reference["nats"])
    wrong = [one for one in reference["continuations"] if client.greedy(one["prompt"], 16) != one["text"]]
    for one in wrong:
        print(f"{client.package}: {client.greedy(one['prompt'], 16)!r}, ours {one['text']!r}", file=sys.stderr)
    cells = [
        "yes", "all" if others == 0 else f"{others} of {len(reference['texts'])} texts differ",
        f"{difference:.0e} nats", "same" if not wrong else f"{len(wrong)} of {len(reference['continuations'])} differ"]
    return cells, others == 0 and difference <= tolerance and (not wrong or tolerance > 1e-2)


def main():
    name, reference, path, model, tolerance = sys.argv[1:6]
    program = PROGRAMS[name]
    cells, isRight = check(program, json.load(open(reference)), path, float(tolerance))
    version = importlib.metadata.version(program.package)
    package = "" if program.package == name else f" ({program.package} {version})"
    print("| " + " | ".join([name + (package or " " + version), model, *cells]) + " |", flush=True)
    sys.exit(not isRight)


main()
