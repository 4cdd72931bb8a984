"""The registered models behind `mlflow models serve`, without torch, transformers and Kedro."""

import base64
import http.client
import io
import json
import re
import socket
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support.project import activated_environment
from tests.support.servers import free_port, running_server

GENERATOR, CAPTIONER = "lexipix-generator-smoke", "lexipix-captioner-smoke"
PROMPT = "a big red circle at the left on white"
JSON = "application/json"
# What serving must do without, and our package anywhere but in the model's own folder
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers", "kedro", "kedro_datasets", "dvc", "grimp"}:
            raise ModuleNotFoundError(f"{name} is no part of serving", name=name)
        return None

sys.meta_path.insert(0, Blocker())
sys.path = [place for place in sys.path if not place.endswith("src")]
"""
MISSING = ("torch", "transformers", "kedro", "lexipix")


class Server:
    """A server that a test asks."""

    def __init__(self, port, log):
        self.port, self.log = port, log

    def request(self, method, path, body, headers, timeout=60):
        """Send a request; gives the answer and its text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def post(self, body, content_type="application/json", timeout=60):
        """Send a request; gives the status and the answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": content_type} if content_type else {}
        answer, text = self.request("POST", "/invocations", data, headers, timeout)
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def ask(self, *prompts, **params):
        """Have pictures drawn."""
        return self.post({"inputs": {"prompt": list(prompts)}, "params": params})

    def answers(self):
        """Whether it is there."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except OSError:
            return False


@contextmanager
def serving(smoke, name, folder):
    """A server of the champion of that name."""
    (folder / "sitecustomize.py").write_text(BLOCKER, encoding="utf-8")
    port = free_port()
    environment = activated_environment() | {
        "PYTHONPATH": str(folder),
        "MLFLOW_TRACKING_URI": f"sqlite:///{smoke.path / 'mlflow.db'}",
        "UVICORN_LIMIT_CONCURRENCY": "40",
    }
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n    try: importlib.import_module(name)\n"
    code += "    except ModuleNotFoundError: print(name)"
    said = subprocess.run(
        [sys.executable, "-c", code, *MISSING], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == list(MISSING)
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{name}@champion",
        "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    with running_server(command, f"http://127.0.0.1:{port}/ping", folder, environment) as (_, log):
        yield Server(port, log)


@pytest.fixture(scope="module")
def generator(smoke, tmp_path_factory):
    with serving(smoke, GENERATOR, tmp_path_factory.mktemp("generator")) as server:
        yield server


@pytest.fixture(scope="module")
def captioner(smoke, tmp_path_factory):
    with serving(smoke, CAPTIONER, tmp_path_factory.mktemp("captioner")) as server:
        yield server


def png(width=32, height=32, mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, (width, height), 200 if mode in "L1" else "red").save(file, "PNG")
    return file.getvalue()


def text_of(content):
    return base64.b64encode(content).decode()


def describe(*image_splits):
    return {"inputs": {"picture": [one if isinstance(one, str) else text_of(one) for one in image_splits]}}


def sentence(answer):
    """What a refusal says: one sentence, without a traceback and without what was sent."""
    message = answer["message"]
    assert "Traceback" not in message
    assert len(message) < 400
    return message


def test_the_same_seed_gives_the_bytes_of_kedro_generate(smoke, generator, tmp_path):
    for quality in ("balanced", "best"):
        said = smoke.kedro(
            "generate", PROMPT, "--env=smoke", "-n", "2", "--seed=11", f"--quality={quality}", "--no-score",
            "--out", str(tmp_path / quality),
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        status, answer = generator.ask(PROMPT, seed=11, count=2, quality=quality)
        assert status == 200
        drawn = [base64.b64decode(one["png"]) for one in answer["predictions"]]
        files = [(tmp_path / quality / f"000{number}.png").read_bytes() for number in range(2)]
        assert drawn == files
        listed = (tmp_path / quality / "generated.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["model"] for line in listed] == [
            one["model"] for one in answer["predictions"]
        ]


def test_what_is_left_out_has_a_default(smoke, generator):
    _, short = generator.ask(PROMPT)
    _, full = generator.ask(PROMPT, seed=7, count=1, quality="balanced")
    assert short == full
    (one,) = short["predictions"]
    assert (one["prompt"], one["index"], one["seed"], one["warning"]) == (PROMPT, 0, 7, "")


def test_prompts_are_answered_in_order_each_with_its_warning(generator):
    status, answer = generator.ask(PROMPT, "a red zebra", count=2)
    assert status == 200
    rows = [(one["prompt"], one["index"]) for one in answer["predictions"]]
    assert rows == [(PROMPT, 0), (PROMPT, 1), ("a red zebra", 0), ("a red zebra", 1)]
    assert [bool(one["warning"]) for one in answer["predictions"]] == [False, False, True, True]
    assert '"zebra"' in answer["predictions"][2]["warning"]


@pytest.mark.parametrize(
    ("prompts", "params", "said"),
    [
        ([""], {}, "The prompt is empty"),
        (["zebra"], {}, "never saw any word"),
        ([PROMPT, "red " * 200], {}, "is too long"),
        (["x" * 1001], {}, "has 1,001 characters, more than 1,000"),
        ([], {}, "asks for 0 images"),
        ([PROMPT], {"count": 0}, "count is 0"),
        ([PROMPT], {"candidates": 0}, "candidates is 0"),
        ([PROMPT], {"count": 33, "candidates": 2}, "asks for 66 images: 1 to 64"),
        ([PROMPT], {"count": 65}, "asks for 65 images: 1 to 64"),
        ([PROMPT], {"count": 10**12}, "1,000,000,000,000 images"),
        ([PROMPT] * 33, {"count": 2}, "asks for 66 images"),
        ([PROMPT], {"seed": -1}, "seed is -1"),
        ([PROMPT], {"seed": 2**31}, "seed is 2147483648"),
        ([PROMPT], {"seed": 10**30}, "seed"),
        ([PROMPT], {"seed": "seven"}, "'seed'"),
        ([PROMPT], {"seed": None}, "seed is null"),
        ([PROMPT], {"count": 1.5}, "'count'"),
        ([PROMPT], {"quality": "huge"}, 'quality is "huge": choose from fast, balanced, best'),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(generator, prompts, params, said):
    status, answer = generator.ask(*prompts, **params)
    assert status == 400, answer
    assert said in sentence(answer)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"garbage", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe\x00", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"inputs": {"text": ["a star"]}}', "application/json", 400),
        (b'{"inputs": {"prompt": [["a"], ["b", 3]]}}', "application/json", 400),
        (b'{"inputs": ' + json.dumps({"prompt": "x" * 1_000_000}).encode() + b"}", "application/json", 400),
        (b"\xff" * 1_000_000, "application/json", 400),
        (b"1" * 1_000_000, "application/json", 400),
        (b"[" * 1_000_000, "application/json", 400),
        (b'{"inputs": {"prompt": ["' + b"x" * 999_999 + b'"' + b', ""' * 9_999 + b"]}}", JSON, 400),
        (b'{"inputs": [' + b"[]," * 200_000 + b"1]}", JSON, 400),
        (b"prompt\na red star", "text/plain", 415),
        (b"prompt\na red star", "text/csv", 415),
        (b"PAR1", "application/vnd.apache.parquet", 415),
        (b"PAR1" + bytes(1_000_000), "application/vnd.apache.parquet; charset=utf-8", 415),
        (b"garbage", None, 415),
    ],
)
def test_garbage_is_refused_in_few_words(generator, body, content_type, status):
    headers = {"Content-Type": content_type} if content_type else {}
    answer, text = generator.request("POST", "/invocations", body, headers)
    assert answer.status == status, text[:500]
    assert len(text) < 600
    assert "stack_trace" not in text and "Traceback" not in text
    assert json.loads(text)["message"]


def test_more_connections_than_the_limit_are_told_so_and_the_next_ones_answered(generator):
    with ExitStack() as open_ones:
        for _ in range(40):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", generator.port), timeout=10))
        assert generator.ask(PROMPT)[0] == 503
    until = time.monotonic() + 30
    while (status := generator.ask(PROMPT)[0]) == 503 and time.monotonic() < until:
        time.sleep(0.1)
    assert status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/ping", 200), ("GET", "/docs", 200), ("GET", "/nothing", 404), ("POST", "/invocations", 415)],
)
def test_a_browser_that_is_led_here_runs_frames_and_keeps_nothing(generator, method, path, status):
    answer, _ = generator.request(method, path, b"", {})
    assert answer.status == status
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


def test_body_that_is_too_large_is_refused_and_not_kept(generator):
    pid = int(re.search(r"Started server process \[(\d+)\]", generator.log.read_text())[1])
    peak = Path(f"/proc/{pid}/status")
    before = _peak_mb(peak)
    body = b'{"inputs": {"prompt": ["' + b"x" * 200_000_000 + b'"]}}'
    status, answer = generator.post(body)
    assert status == 413
    assert "200.0 MB, more than the limit of 16.0 MB" in sentence(answer)
    if before is None:
        print("this system does not tell how much memory a process took")
    else:
        assert _peak_mb(peak) - before < 60


def _peak_mb(status):
    if not status.is_file():
        return None
    return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1000


def test_many_at_once_and_bad_ones_among_them(generator):
    """Right answers stay right while others send nonsense and too much."""
    expected = {seed: generator.ask(PROMPT, seed=seed) for seed in range(4)}
    too_large = b"x" * 17_000_000

    def client(number):
        if number % 8 == 5:
            return generator.post(b"{]")[0] == 400
        if number % 8 == 6:
            return generator.post(too_large)[0] == 413
        if number % 8 == 7:
            return generator.ask(PROMPT, count=65)[0] == 400
        return generator.ask(PROMPT, seed=number % 4) == expected[number % 4]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(client, range(160)))
    assert generator.answers()


def test_captions_are_those_of_kedro_caption(smoke, captioner, tmp_path):
    images = np.load(smoke.data / "03_primary" / "images" / "test" / "images.npy")[:2]
    contents = []
    for number, image in enumerate(images):
        Image.fromarray(image).resize((96, 64)).save(tmp_path / f"{number}.png")
        contents.append((tmp_path / f"{number}.png").read_bytes())
    said = smoke.kedro("caption", *map(str, sorted(tmp_path.glob("*.png"))), "--env=smoke")
    assert said.returncode == 0, said.stderr
    status, answer = captioner.post(describe(*contents))
    assert status == 200
    captions = [line.partition(".png: ")[2] for line in said.stdout.splitlines()]
    assert [one["caption"] for one in answer["predictions"]] == captions


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ("not base64!", "Picture 1 is not base64"),
        (text_of(b"no picture"), "not an image in a known format"),
        ("", "not an image in a known format"),
        (text_of(png()[:60]), "damaged or cut short"),
        (text_of(png(6000, 5000, "1")), "6000x5000 pixels are more than"),
        (text_of(png(4, 4)), "too small"),
        ("A" * 11_000_000, "more than 8 MB"),
    ],
)
def test_pictures_that_cannot_be_used_are_refused_in_a_sentence(captioner, picture, said):
    status, answer = captioner.post(describe(picture))
    assert status == 400
    assert said in sentence(answer)


def test_bombs_are_refused_before_they_are_decoded(captioner):
    """A small file may say of itself that it is 30,000 pixels wide and high."""
    content = bytearray(png(64, 64, "1"))
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    status, answer = captioner.post(describe(bytes(content)))
    assert status == 400
    assert "too large" in sentence(answer)
    assert captioner.post(describe(png()))[0] == 200


def test_no_more_pictures_than_the_limit_are_described_at_once(captioner):
    status, answer = captioner.post(describe(*[png()] * 65))
    assert status == 400
    assert "asks for 65 images: 1 to 64" in sentence(answer)
