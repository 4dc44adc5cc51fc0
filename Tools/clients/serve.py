"""Tries `bench-cli serve` with the openai package, with many requests at once, and with 1,000 malformed
requests, after which it must still serve.

  python3 serve.py BENCH_CLI MODEL_FOLDER

Needs the openai package.
"""
import concurrent.futures
import json
import random
import re
import socket
import subprocess
import sys
import time

import openai

cli, model = sys.argv[1:3]
server = subprocess.Popen([cli, "serve", "--model", model, "--port", "0"], stdout=subprocess.PIPE, text=True)
try:
    host, port = re.search(r"http://([0-9.]+):([0-9]+)", server.stdout.readline()).groups()
    client = openai.OpenAI(base_url=f"http://{host}:{port}/v1", api_key="none", max_retries=0)
    name = client.models.list().data[0].id
    prompt = "Once upon a time"
    ours = subprocess.run(
        [cli, "generate", "--model", model, "--prompt", prompt, "--temperature", "0", "--tokens", "32"],
        check=True, capture_output=True, text=True).stdout.removesuffix("\n")
    settings = dict(model=name, prompt=prompt, max_tokens=32, temperature=0)
    whole = client.completions.create(**settings, logprobs=3)
    assert prompt + whole.choices[0].text == ours, whole
    assert len(whole.choices[0].logprobs.tokens) == whole.usage.completion_tokens
    parts = list(client.completions.create(**settings, stream=True, stream_options={"include_usage": True}))
    assert "".join(choice.text for part in parts for choice in part.choices) == whole.choices[0].text
    assert parts[-1].usage.total_tokens == whole.usage.total_tokens
    drawn = [client.completions.create(model=name, prompt=prompt, seed=3, top_p=0.9).choices[0].text for _ in range(2)]
    assert drawn[0] == drawn[1]
    stop = whole.choices[0].text[5:8]
    assert client.completions.create(**settings, stop=[stop]).choices[0].text == whole.choices[0].text.split(stop)[0]
    try:
        client.completions.create(model="other", prompt=prompt)
        raise AssertionError("a model that is not there answers")
    except openai.NotFoundError as error:
        assert "there is no model 'other'" in str(error), error
    print(f"openai {openai.__version__}: models, completions, streams, probabilities, seeds, stops and errors are right")

    def one(index):
        choice = client.completions.create(
            model=name, prompt=prompt * (index % 5 + 1), seed=index, max_tokens=10 + 7 * index, logprobs=1).choices[0]
        return choice.text, choice.logprobs.token_logprobs

    alone = [one(index) for index in range(32)]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert list(pool.map(one, range(32))) == alone
    print("32 requests at once: the texts and probabilities that each has alone")

    def raw(data):
        """The status of the answer; None for a connection that ends without one."""
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(1 << 16):
                answer += part
        return int(answer.split()[1]) if answer else None

    def post(body, *headers, host_name="localhost", length=None):
        lines = ["POST /v1/completions HTTP/1.1", f"Host: {host_name}", "Content-Type: application/json",
                 f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
        return "\r\n".join(lines).encode() + body

    assert raw(post(b'{"prompt": "a", "max_tokens": 1}')) == 200
    assert raw(post(b'{"prompt": "a", "max_tokens": 1}', host_name="elsewhere.example")) == 403
    idle, since = socket.create_connection((host, int(port)), timeout=120), time.monotonic()
    idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    generator, statuses = random.Random(5), {}
    good = json.dumps({"model": name, "prompt": prompt, "max_tokens": 2, "temperature": 0.5, "stop": ["x"]}).encode()
    for index in range(1000):
        body = bytearray(good)
        kind = index % 5
        for _ in range(generator.randint(1, 6)):
            body[generator.randrange(len(body))] = generator.randrange(256)
        if kind == 0:
            data = post(bytes(body))
        elif kind == 1:
            data = post(good, length=generator.choice([-1, 0, 7, "x", 1 << 40, len(good) + 1]))
        elif kind == 2:
            data = generator.randbytes(generator.randint(1, 400))
        elif kind == 3:
            data = bytearray(post(good))
            for _ in range(8):
                data[generator.randrange(len(data))] = generator.randrange(256)
        else:
            data = post(json.dumps({generator.choice(["prompt", "max_tokens", "temperature", "top_p", "n", "stop", "x"]):
                                    generator.choice([None, [], {}, -1, 1e300, "\ud800", True, [[1]], "y" * 3000])},
                                   ensure_ascii=True).encode())
        status = raw(bytes(data))
        assert status is None or status == 200 or 400 <= status < 500, (status, data)
        statuses[status] = statuses.get(status, 0) + 1
    assert client.completions.create(**settings).choices[0].text == whole.choices[0].text
    assert server.poll() is None
    assert idle.recv(1) == b"", "an unfinished request is answered"
    print(f"a request that was never finished lost its connection after {time.monotonic() - since:.0f} s")
    print("1,000 malformed requests:", ", ".join(
        f"{count} × {'closed' if status is None else status}" for status, count in sorted(
            statuses.items(), key=lambda entry: -entry[1])))
finally:
    server.terminate()
    server.wait()
