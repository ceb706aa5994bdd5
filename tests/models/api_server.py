"""A real OpenAI-compatible server on loopback, and a proxy that plants faults in front of any such server.

The server answers by rule, or with a language model of the zoo, whose log-probabilities it echoes as OpenAI does.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

KEY = "sk-test-0123456789abcdefghijklmnop"


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with connections kept alive."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        """Lists models."""
        self.server.owner.get(self)

    def do_POST(self):
        """Answers a request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.owner.post(self, body)

    def log_message(self, *_):
        """Nothing on the terminal."""

    def reply(self, status, content, headers=()):
        """A whole answer, as JSON or as these bytes."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def error(self, status, message, code="", headers=()):
        """An error in OpenAI's form."""
        self.reply(status, {"error": {"message": message, "type": "error", "code": code}}, headers)

    def stream(self, chunks, *, whole=True):
        """Chunks as server-sent events; a stream that is not whole ends in the middle."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            data = f"data: {json.dumps(chunk)}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        if whole:
            self.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        else:
            self.close_connection = True


class Quiet(ThreadingHTTPServer):
    """Clients that hang up are no news."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *args):
        self.open = set()
        super().__init__(*args)

    def process_request(self, request, client_address):
        """Remembers the connection."""
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        """Forgets the connection."""
        self.open.discard(request)
        super().shutdown_request(request)

    def hang_up(self):
        """Ends connections that are kept alive, as the death of a server does."""
        for request in list(self.open):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_):
        """Nothing on the terminal."""


class Service:
    """Something that listens on loopback until it is closed."""

    def __init__(self, port=0):
        self.http = Quiet(("127.0.0.1", port), Handler)
        self.http.owner = self
        self.port = self.http.server_address[1]
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the service and its connections."""
        self.http.shutdown()
        self.http.server_close()
        self.http.hang_up()


class Server(Service):
    """Answers by rule, or with a subject of the zoo.

    Args:
        subject: a loaded model; None answers by rule.
        key: the key it asks for.
        names: models it has.
        shift: places by which echoed log-probabilities are wrong, those of the generated token included.
        refuse: `(body) -> (status, message, code)`, perhaps with headers, or None.
    """

    def __init__(self, subject=None, *, key="", names=("tiny",), shift=0, refuse=None, port=0):  # noqa: PLR0913 - one switch a fault
        self.subject, self.key, self.names, self.shift = subject, key, list(names), shift
        self.refuse = refuse or (lambda _: None)
        self.fingerprint = "fp_1"
        self.answered = Counter()
        self.bodies, self.paths = [], []
        self.lock = threading.Lock()
        super().__init__(port)

    def get(self, handler):
        """Lists the models."""
        handler.reply(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.names]})

    def post(self, handler, raw):
        """Answers, refuses or plants a fault."""
        body = json.loads(raw)
        if self.key and handler.headers.get("Authorization") != f"Bearer {self.key}":
            return handler.error(401, f"Incorrect API key provided: {handler.headers.get('Authorization')}", "invalid")
        if body["model"] not in self.names:
            return handler.error(404, f"The model {body['model']} does not exist", "model_not_found")
        if refused := self.refuse(body):
            return handler.error(*refused)
        with self.lock:
            answer = self.answer(body, chat="/chat/completions" in handler.path)
            self.answered[json.dumps(body, sort_keys=True)] += 1
            self.bodies.append(body)
            self.paths.append(handler.path)
        return handler.stream(chunks(answer)) if body.get("stream") else handler.reply(200, answer)

    def answer(self, body, *, chat):
        """A whole answer in OpenAI's form."""
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        new = body.get("max_tokens") or body.get("max_completion_tokens")
        choice = self.echoed(prompt) if body.get("echo") else self.continued(prompt, body, new)
        count = choice.pop("new", 1)
        usage = {"prompt_tokens": self.count(prompt), "completion_tokens": count}
        usage["total_tokens"] = sum(usage.values())
        if chat:
            choice = {**choice, "message": {"role": "assistant", "content": choice.pop("text")}}
        head = {"id": "1", "object": "x", "created": 0, "model": body["model"], "system_fingerprint": self.fingerprint}
        return {**head, "choices": [{"index": 0, **choice}], "usage": usage}

    def count(self, text):
        """Tokens of a text."""
        return len(text.split()) if self.subject is None else len(self.subject.tokenizer(text)["input_ids"])

    def continued(self, prompt, body, new):
        """A continuation, by rule or by the model."""
        if self.subject is not None:
            said = self.subject.lm.generate([(prompt, {"max_gen_toks": new, "until": body.get("stop")})], _silent)[0]
            logprobs = self.likeliest(prompt) if body.get("logprobs") else None
            return {"text": said.text, "new": said.tokens, "finish_reason": "stop", "logprobs": logprobs}
        text = f"answer {sum(prompt.encode()) % 1000}\nand more"
        top = [{"token": t, "logprob": -0.5 - i} for i, t in enumerate((" B", "A", "B", " C", "?"))]
        asked = body.get("top_logprobs") or (body.get("logprobs") if "prompt" in body else 0)
        logprobs = {"content": [{"token": " B", "logprob": -0.5, "top_logprobs": top}]}
        if "prompt" in body:
            logprobs = {"tokens": [" B"], "token_logprobs": [-0.5],
                        "top_logprobs": [{one["token"]: one["logprob"] for one in top}]}  # fmt: skip
        return {"text": text, "new": 4, "finish_reason": "stop", "logprobs": logprobs if asked else None}

    def likeliest(self, prompt):
        """Log-probabilities of the first token after a prompt, always in the right place."""
        import torch

        with torch.inference_mode():
            ids = torch.tensor([self.subject.tokenizer(prompt)["input_ids"]])
            best = self.subject.model(ids).logits[0, -1].float().log_softmax(-1).max(0)
        text, value = self.subject.tokenizer.decode([int(best.indices)]), float(best.values)
        return {"tokens": [text], "token_logprobs": [value], "top_logprobs": [{text: value}], "text_offset": [0]}

    def echoed(self, prompt):
        """One token is generated; the first token of all has no log-probability."""
        import torch

        if self.subject is None:
            return {"text": prompt, "finish_reason": "length"}
        tokenizer = self.subject.tokenizer
        ids = tokenizer(prompt)["input_ids"]
        with torch.inference_mode():
            scores = self.subject.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
        ids.append(int(scores[-1].argmax()))
        texts = [tokenizer.decode([i]) for i in ids]
        place = [max(0, i - 1 - self.shift) for i in range(len(ids))]
        values = [None, *(float(scores[p, i]) for p, i in zip(place[1:], ids[1:], strict=True))]
        tops = [None, *({"best": float(scores[p].max())} for p in place[1:])]
        offsets = [sum(map(len, texts[:i])) for i in range(len(ids))]
        logprobs = {"tokens": texts, "token_logprobs": values, "top_logprobs": tops, "text_offset": offsets}
        return {"text": prompt + texts[-1], "finish_reason": "length", "logprobs": logprobs}


class Proxy(Service):
    """Passes requests on to a server, but for those that its schedule gives a fault.

    Args:
        target: `base_url` of the server.
        schedule: `(body, attempt) -> ` name of a fault, empty for none; attempts of one body are counted from 1.
    """

    def __init__(self, target, schedule, *, slow=1.0):
        self.target, self.schedule, self.slow = urlsplit(target), schedule, slow
        self.attempts, self.planted = Counter(), Counter()
        self.lock = threading.Lock()
        super().__init__()

    def get(self, handler):
        """Lists the models."""
        self.forward(handler, "GET", None)

    def post(self, handler, raw):
        """Answers, refuses or plants a fault."""
        body = json.loads(raw)
        with self.lock:
            self.attempts[raw] += 1
            fault = self.schedule(body, self.attempts[raw])
            self.planted[fault] += 1
        if not fault:
            return self.forward(handler, "POST", raw)
        return getattr(self, f"plant_{fault}")(handler, body)

    def forward(self, handler, method, raw, change=lambda data: data, pause=0.0):
        """Passes a request on, its answer changed, or in ten pieces with pauses between them."""
        upstream = http.client.HTTPConnection(self.target.netloc, timeout=30)
        headers = {"Content-Type": "application/json", "Authorization": handler.headers.get("Authorization", "")}
        upstream.request(method, handler.path, body=raw, headers=headers)
        answer = upstream.getresponse()
        data = change(answer.read())
        handler.send_response(answer.status)
        handler.send_header("Content-Type", answer.getheader("Content-Type"))
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        size = len(data) // 10 + 1 if pause else len(data)
        for start in range(0, len(data), size):
            handler.wfile.write(data[start : start + size])
            time.sleep(pause)
        upstream.close()

    def plant_trickling(self, handler, body):
        """The answer, slowly."""
        self.forward(handler, "POST", json.dumps(body).encode(), pause=0.005)

    def plant_renamed(self, handler, body):
        """The answer, under the name of another model."""
        name = json.dumps(body["model"]).encode()
        self.forward(handler, "POST", json.dumps(body).encode(), change=lambda data: data.replace(name, b'"another"'))

    def plant_limited(self, handler, _):
        """Too many requests, with a time to wait."""
        handler.error(429, "Rate limit reached", "rate_limit_exceeded", [("Retry-After", "0.02")])

    def plant_broken(self, handler, _):
        """An error of the server."""
        handler.error(500, "The server had an error")

    def plant_dropped(self, handler, _):
        """The connection ends without an answer."""
        handler.close_connection = True
        handler.connection.close()

    def plant_slow(self, handler, _):
        """No answer in time."""
        time.sleep(self.slow)
        handler.close_connection = True

    def plant_malformed(self, handler, _):
        """No JSON."""
        handler.reply(200, b'{"choices": [{"mess')

    def plant_null(self, handler, body):
        """No content, or no end."""
        self.whole(handler, body, None, "stop")

    def plant_filtered(self, handler, body):
        """An answer that a filter withholds."""
        self.whole(handler, body, "", "content_filter")

    def plant_cut(self, handler, body):
        """A stream that ends in the middle."""
        if not body.get("stream"):
            return self.plant_dropped(handler, body)
        return handler.stream([{"choices": [{"delta": {"content": "ans"}, "text": "ans"}]}], whole=False)

    def whole(self, handler, body, content, finish):
        """An answer of this content and end."""
        choice = {"message": {"content": content}, "text": content, "finish_reason": finish}
        if body.get("stream"):
            content = {"delta": {"content": content}, "text": content, "finish_reason": finish}
            return handler.stream([{"choices": [content]}] if finish != "stop" else [{"choices": []}])
        return handler.reply(200, {"choices": [choice]})


def chunks(answer):
    """A whole answer as the chunks of a stream, usage last."""
    choice = dict(answer["choices"][0])
    head = {key: answer[key] for key in ("id", "created", "model", "system_fingerprint")}
    chat = "message" in choice
    text = choice["message"]["content"] if chat else choice["text"]
    for part in (text[:3], text[3:]):
        said = {"delta": {"content": part}} if chat else {"text": part}
        yield {**head, "choices": [{"index": 0, **said, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "text": "", "finish_reason": choice["finish_reason"]}]}
    yield {**head, "choices": [], "usage": answer["usage"]}


def _silent(*_):
    """No progress."""
