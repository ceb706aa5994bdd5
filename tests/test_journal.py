"""The write-ahead file of a cell: what is read back is what was written, whatever happened to the file between."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from harness import journal as module
from harness.journal import Journal

SUBJECT = "a" * 64


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer is written at once, so that tests need not wait."""
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in a folder that does not exist yet."""
    return tmp_path / "samples" / "cpu" / "m.t.0123.wal"


def _filled(path: Path, answers: dict[str, tuple[float, bool]], *, subject: str = SUBJECT) -> None:
    with Journal(path, subject=subject) as journal:
        for key, answer in answers.items():
            journal.add_scored({key: answer})


def _answers(count: int) -> dict[str, tuple[float, bool]]:
    draw = random.Random(count)
    return {f"{i:064x}": (-draw.expovariate(0.01), draw.random() < 0.5) for i in range(count)}


def _bits(value: float) -> bytes:
    return struct.pack("<d", value)


def test_floats_come_back_bit_for_bit(path: Path) -> None:
    """Random doubles, the smallest, the largest, and minus zero are the same 64 bits after reading."""
    draw = random.Random(7)
    values = [struct.unpack("<d", draw.randbytes(8))[0] for _ in range(2000)]
    values = [v for v in values if abs(v) <= sys.float_info.max] + [-0.0, 5e-324, -sys.float_info.max, -1.0, 1e-5]
    answers = {f"{i:x}": (value, i % 2 == 0) for i, value in enumerate(values)}
    with Journal(path, subject=SUBJECT) as journal:
        journal.add_scored(answers)
    with Journal(path, subject=SUBJECT) as journal:
        assert journal.earlier == len(values)
        for key, (value, greedy) in answers.items():
            found = journal.scored(key)
            assert found is not None
            assert (_bits(found[0]), found[1]) == (_bits(value), greedy)


@pytest.mark.parametrize("text", ["", "a\nb\r\n", "naïve — 日本 \U0001f600", "half a pair \udc80", '"quoted" \\', "\0"])
def test_texts_come_back_as_they_were(path: Path, text: str) -> None:
    """Line ends, other scripts, lone surrogates and quotes included."""
    with Journal(path, subject=SUBJECT) as journal:
        journal.add_text("k", text, 3)
    with Journal(path, subject=SUBJECT) as journal:
        assert journal.text("k") == (text, 3)
        assert journal.scored("k") is None


def test_a_file_cut_anywhere_keeps_what_is_whole_before(path: Path, tmp_path: Path) -> None:
    """Whatever the length a crash left: the answers are a beginning of those written, and more can be added."""
    answers = _answers(6)
    _filled(path, answers)
    data, counts = path.read_bytes(), []
    for length in range(0, len(data) + 1, 7):
        part = tmp_path / "part.wal"
        part.write_bytes(data[:length])
        with Journal(part, subject=SUBJECT) as journal:
            assert not journal.problem
            known = [key for key, answer in answers.items() if journal.scored(key) == answer]
            assert known == list(answers)[: len(known)]
            assert journal.earlier == len(known)
            journal.add_scored(answers)
        with Journal(part, subject=SUBJECT) as journal:
            assert journal.earlier == len(answers)
        counts.append(len(known))
    assert all(a <= b for a, b in pairwise(counts))
    assert (counts[0], counts[-1]) == (0, len(answers))


def test_a_flipped_bit_costs_what_follows_and_never_gives_a_wrong_answer(path: Path) -> None:
    """Damage anywhere: every answer that is still known is right."""
    answers = _answers(5)
    _filled(path, answers)
    data = path.read_bytes()
    draw, lost = random.Random(3), 0
    for _ in range(200):
        place = draw.randrange(len(data))
        damaged = bytearray(data)
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        with Journal(path, subject=SUBJECT) as journal:
            found = {key: journal.scored(key) for key in answers}
        assert all(answer in (None, answers[key]) for key, answer in found.items())
        lost += sum(answer is None for answer in found.values())
    assert lost


def test_another_subject_is_not_used_and_is_replaced(path: Path) -> None:
    """Answers of other weights are gone once the new ones are written; a foreign file is no error either."""
    _filled(path, _answers(4), subject="b" * 64)
    with Journal(path, subject=SUBJECT) as journal:
        assert journal.earlier == 0
        assert all(journal.scored(key) is None for key in _answers(4))
        journal.add_scored({"new": (-1.5, True)})
    with Journal(path, subject=SUBJECT) as journal:
        assert (journal.earlier, journal.scored("new")) == (1, (-1.5, True))
    path.write_bytes(b"\xff\xfe no journal at all\n" * 50)
    with Journal(path, subject=SUBJECT) as journal:
        assert (journal.earlier, journal.problem) == (0, "")


def test_time_and_tokens_of_the_parts_add_up(path: Path) -> None:
    """Work is counted from the first look-up to the last write, for each process that took part."""
    for part in (1, 2):
        tokens = iter((100, 100 + part * 10, 100 + part * 10))
        before = time.perf_counter()
        with Journal(path, subject=SUBJECT, computed=lambda tokens=tokens: next(tokens)) as journal:
            earlier = journal.seconds
            journal.scored("x")
            time.sleep(0.05)
            journal.add_scored({f"{part}": (-1.0, False)})
        elapsed = time.perf_counter() - before
        with Journal(path, subject=SUBJECT) as journal:
            assert 0.05 <= journal.seconds - earlier <= elapsed
    assert journal.tokens == 30


def test_counts_tell_what_was_already_answered(path: Path) -> None:
    """Distinct requests, looked up as often as one likes; own answers are none of an earlier process."""
    _filled(path, {"a": (-1.0, True), "b": (-2.0, True), "unused": (-3.0, True)})
    with Journal(path, subject=SUBJECT) as journal:
        for key in ("a", "b", "c", "a"):
            journal.scored(key)
        journal.add_scored({"c": (-4.0, False)})
        assert journal.scored("c") == (-4.0, False)
        assert (journal.answered, journal.requests, journal.earlier) == (2, 3, 3)


def test_answers_that_are_no_numbers_are_not_kept(path: Path) -> None:
    """A retry computes them again."""
    _filled(path, {"nan": (float("nan"), False), "inf": (float("-inf"), False), "one": (-1.0, False)})
    with Journal(path, subject=SUBJECT) as journal:
        assert [journal.scored(key) for key in ("nan", "inf", "one")] == [None, None, (-1.0, False)]


def test_a_short_cell_leaves_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is answered within a second and then recorded is never written; discarding removes what was."""
    monkeypatch.setattr(module, "FLUSH_SECONDS", 60.0)
    with Journal(path, subject=SUBJECT) as journal:
        journal.add_scored(_answers(3))
        journal.discard()
    assert not path.parent.exists()
    _filled(path, _answers(3))
    assert path.is_file()
    with Journal(path, subject=SUBJECT) as journal:
        journal.discard()
        journal.add_scored({"late": (-1.0, True)})
    assert not path.exists()


def test_a_second_process_goes_without(path: Path) -> None:
    """While one process has the file, another neither reads, writes nor removes it, and that is no problem to tell."""
    with Journal(path, subject=SUBJECT) as first:
        first.add_scored({"a": (-1.0, True)})
        size = path.stat().st_size
        with Journal(path, subject=SUBJECT) as second:
            assert second.earlier == 0
            second.add_scored({"b": (-2.0, True)})
            assert second.scored("b") == (-2.0, True)
            second.discard()
        assert (path.stat().st_size, second.problem) == (size, "")
        with path.open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with Journal(path, subject=SUBJECT) as third:
        assert (third.earlier, third.scored("b")) == (1, None)


def test_a_file_that_cannot_be_opened_is_one_line(path: Path) -> None:
    """Answers are then known to this process alone."""
    path.mkdir(parents=True)
    with Journal(path, subject=SUBJECT) as journal:
        journal.add_scored(_answers(3))
        assert all(journal.scored(key) == answer for key, answer in _answers(3).items())
    assert journal.problem == "answers are not kept while the cell runs: Is a directory"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "samples").write_text("in the way")
    with Journal(tmp_path / "samples" / "m.wal", subject=SUBJECT) as journal:
        journal.add_scored(_answers(3))
    assert journal.problem.startswith("answers are not kept while the cell runs: ")


def test_a_full_disk_is_one_line_and_keeps_what_was_written(path: Path) -> None:
    """The system refuses to let the file grow: the answers before are kept, those after are computed again."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with Journal(path, subject=SUBJECT) as journal:
            journal.add_scored({"a": (-1.0, True)})
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, hard))
            journal.add_scored({"b": (-2.0, True)})
            journal.add_scored({"c": (-3.0, True)})
            assert journal.scored("c") == (-3.0, True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    assert journal.problem == "answers are not kept while the cell runs: File too large"
    with Journal(path, subject=SUBJECT) as journal:
        assert [journal.scored(key) for key in "abc"] == [(-1.0, True), None, None]


def test_the_file_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit nothing more is written, and that is said."""
    monkeypatch.setattr(module, "LIMIT_BYTES", 2 * 2**20)
    with Journal(path, subject=SUBJECT) as journal:
        for i in range(30):
            journal.add_text(f"{i}", "x" * 100_000, 1)
    assert path.stat().st_size <= 2 * 2**20
    assert journal.problem == "answers beyond 2 MiB are not kept"
    with Journal(path, subject=SUBJECT) as journal:
        assert 15 <= journal.earlier < 30


def test_a_million_byte_file_is_read_at_once(path: Path) -> None:
    """Twenty thousand answers are written and read back within a few seconds."""
    answers = _answers(20_000)
    start = time.perf_counter()
    with Journal(path, subject=SUBJECT) as journal:
        journal.add_scored(answers)
    with Journal(path, subject=SUBJECT) as journal:
        assert journal.earlier == len(answers)
    assert time.perf_counter() - start < 5.0
    assert path.stat().st_size < 150 * len(answers)


def _add_forever(path: str, ready: multiprocessing.synchronize.Event) -> None:
    module.FLUSH_SECONDS = 0.0
    with Journal(Path(path), subject=SUBJECT) as journal:
        for i in range(10**9):
            journal.add_scored({f"{i}": (-float(i) / 3, i % 2 == 0)})
            if i == 50:
                ready.set()


def test_a_killed_writer_leaves_answers_to_go_on_with(path: Path) -> None:
    """SIGKILL in the middle of writing: everything up to about that moment is there, and the lock is free."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_add_forever, args=(str(path), ready))
    process.start()
    assert ready.wait(30)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with Journal(path, subject=SUBJECT) as journal:
        assert journal.earlier >= 50
        assert all(journal.scored(f"{i}") == (-i / 3, i % 2 == 0) for i in range(journal.earlier))


def test_it_needs_nothing_but_the_standard_library() -> None:
    """Importing it is light: the process that plans may look at it."""
    code = "import sys, harness.journal; sys.exit(bool({'torch', 'numpy', 'pyarrow', 'yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
