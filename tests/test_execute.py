"""Sweeps that survive anything: resume, kills, Ctrl-C, damaged models, two runs at once, unwritable results."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.zoo import folder

if TYPE_CHECKING:
    from conftest import Command

SMALL = ("run", "model=mini-gpt2-s", "task=zoo-story,zoo-list,zoo-topic", "limit=16", "study=s")
STUDY = ("run", "-m", "model=mini-gpt2-s,mini-gptneo", "task=zoo-story,zoo-list", "limit=16", "study=s")
CELLS = 4


def _all_records(root: Path, study: str = "s") -> list[dict]:
    paths = sorted((root / "results" / study / "records").rglob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _records(root: Path, study: str = "s") -> dict[str, dict]:
    return {f"{r['cell']['model']} {r['cell']['workload']}": r for r in _all_records(root, study)}


def _numbers(records: dict[str, dict]) -> dict[tuple[str, str, str], float]:
    """What must not depend on interruptions: every measurement that is no cost.

    A cell that goes on inside computes some shared beginnings a second time, and says so in its computed tokens.
    """
    return {
        (name, m["metric"], m["subset"]): m["value"]
        for name, record in records.items()
        for m in record["measurements"]
        if m["unit"] not in ("s", "tok/s", "B") and m["metric"] != "computed_tokens"
    }


def _start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, left = [], [pid]
    while left:
        children = parents.get(left.pop(), [])
        found += children
        left += children
    return found


def _workers(pid: int) -> list[int]:
    """Processes forked by the fork server: grandchildren of the command."""
    direct = set(_descendants(pid))
    children = {c for c in direct if c in _children(pid)}
    return [c for c in direct if c not in children]


def _children(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(word) for word in text.split()}


def test_a_study_is_measured_once(harness: Command, tmp_path: Path) -> None:
    """Running the same command again measures nothing, prints the same table, and writes no file anew."""
    first = harness(*STUDY)
    assert first.returncode == 0, first.stderr
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "results").rglob("*") if p.is_file()}
    assert len(_records(tmp_path)) == CELLS
    second = harness(*STUDY)
    assert second.returncode == 0, second.stderr
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "results").rglob("*") if p.is_file()} == files
    table = first.stdout[first.stdout.index("mini-gpt2-s", first.stdout.rindex("[4/4]")) :]
    assert table.splitlines()[0] in second.stdout
    assert "report.html" in second.stdout


def test_a_further_model_costs_only_itself(harness: Command, tmp_path: Path) -> None:
    """Adding a model leaves the other records as they are."""
    assert harness("run", "model=mini-gpt2-s", *STUDY[3:]).returncode == 0
    before = {p: p.read_bytes() for p in (tmp_path / "results/s/records").rglob("*.json")}
    done = harness(*STUDY)
    assert done.returncode == 0, done.stderr
    assert "4 cells, 2 done before" in done.stdout
    assert all(p.read_bytes() == data for p, data in before.items())


def test_a_damaged_model_is_a_record_and_the_rest_goes_on(harness: Command, tmp_path: Path) -> None:
    """Truncated weights fail in records with the reason, the other model is measured, and a repair is enough."""
    broken = tmp_path / "broken"
    shutil.copytree(folder("mini-gpt2-s"), broken)
    weights = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    conf = tmp_path / "conf" / "model"
    conf.mkdir(parents=True)
    (conf / "broken.yaml").write_text(
        "# @package model\n_target_: harness.models.spec.ModelSpec\nname: broken\nfamily: gpt2\nsource: ./broken\n"
    )
    command = ("run", "-m", "model=broken,mini-gpt2-s", *STUDY[3:])
    done = harness(*command)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    records = _records(tmp_path)
    assert {name: r["status"] for name, r in records.items()} == {
        "broken zoo-story": "failed",
        "broken zoo-list": "failed",
        "mini-gpt2-s zoo-story": "ok",
        "mini-gpt2-s zoo-list": "ok",
    }
    assert "\n" not in records["broken zoo-story"]["error"]
    assert records["broken zoo-story"]["error"]
    assert "broken" in done.stdout.split("report:")[0]
    (broken / "model.safetensors").write_bytes(weights)
    again = harness(*command)
    assert again.returncode == 0, again.stderr
    measured = [r for r in _all_records(tmp_path) if r["cell"]["model"] == "broken" and r["status"] == "ok"]
    assert len(measured) == 2
    assert "failed" not in again.stdout[again.stdout.rindex("[2/4]" if "[2/4]" in again.stdout else "[4/4]") :]


def test_failures_can_be_kept(harness: Command, tmp_path: Path) -> None:
    """With `retry=false` a failed cell is not tried again, and the exit code still tells."""
    broken = tmp_path / "broken"
    shutil.copytree(folder("mini-gpt2-s"), broken)
    (broken / "model.safetensors").write_bytes(b"no weights")
    command = (
        "run",
        "model=mini-gpt2-s",
        "model.name=b",
        "model.source=./broken",
        "task=zoo-story",
        "limit=4",
        "study=s",
    )
    assert harness(*command).returncode == 1
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "results/s/records").rglob("*.json")}
    assert harness(*command, "retry=false").returncode == 1
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "results/s/records").rglob("*.json")} == before


def test_a_killed_worker_is_a_record(tmp_path: Path) -> None:
    """When the system kills the worker, its cell says so, the run goes on, and running again repairs it."""
    arguments = ("run", "model=mini-gpt2-s", "task=zoo-story,zoo-list", "limit=16", "study=s")
    process = _start(tmp_path, *arguments)
    deadline = time.monotonic() + 120
    while not (workers := _workers(process.pid)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert workers
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 1, out + err
    failed = [r for r in _records(tmp_path).values() if r["status"] == "failed"]
    assert failed
    assert all("SIGKILL" in r["error"] for r in failed)
    again = _start(tmp_path, *arguments)
    out, err = again.communicate(timeout=240)
    assert again.returncode == 0, out + err
    assert {r["status"] for r in _records(tmp_path).values()} == {"ok"}


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    """Interrupted, the command says what is kept and how to go on, and leaves no process and no half file."""
    process = _start(tmp_path, "run", "model=mini-gpt2-s", "task=zoo-sentiment,zoo-story,zoo-list,zoo-topic", "study=s")
    deadline = time.monotonic() + 120
    while not list((tmp_path / "results").rglob("*.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "cells are kept. Run the same command to go on." in err
    assert "Traceback" not in err
    assert not list((tmp_path / "results").rglob(".tmp-*"))
    assert _gone(process.pid)


def _gone(group: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def _survives(tmp_path: Path, harness: Command, arguments: tuple[str, ...], *, kills: int, longest: float) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    undisturbed.mkdir()
    disturbed.mkdir()
    assert harness(*arguments, cwd=undisturbed).returncode == 0
    moments = random.Random(20261123)
    kept: dict[str, dict] = {}
    study = next((p.name for p in (undisturbed / "results").iterdir()), "")
    for _ in range(kills):
        process = _start(disturbed, *arguments)
        time.sleep(moments.uniform(1.0, longest))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        now = _records(disturbed, study)
        assert all(now.get(name) == record for name, record in kept.items()), (
            "a finished cell was lost or measured again"
        )
        kept = {name: record for name, record in now.items() if record["status"] == "ok"}
    assert harness(*arguments, cwd=disturbed).returncode == 0
    assert _numbers(_records(disturbed, study)) == _numbers(_records(undisturbed, study))


def test_sigkill_loses_no_finished_cell(tmp_path: Path, harness: Command) -> None:
    """Killed at three random moments and run again, a study ends in the numbers of an undisturbed one."""
    _survives(tmp_path, harness, SMALL, kills=3, longest=6.0)


@pytest.mark.slow
def test_sigkill_at_ten_moments_of_the_quickstart(tmp_path: Path, harness: Command) -> None:
    """The quickstart, killed at ten random moments, ends in the numbers of an undisturbed one."""
    _survives(tmp_path, harness, ("run", "experiment=quickstart"), kills=10, longest=25.0)


def test_two_runs_of_one_study_at_once(tmp_path: Path) -> None:
    """Two runs started together both end well, and every cell has one whole record."""
    both = [_start(tmp_path, *STUDY) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=280)
        assert process.returncode == 0, out + err
    assert {r["status"] for r in _records(tmp_path).values()} == {"ok"}
    assert len(list((tmp_path / "results/s/records").rglob("*"))) == CELLS + 1


def test_records_that_cannot_be_written_end_the_run(harness: Command, tmp_path: Path) -> None:
    """When records cannot be kept, measuring on would be waste: one line, exit code 1."""
    (tmp_path / "results/s").mkdir(parents=True)
    (tmp_path / "results/s/records").write_text("in the way")
    done = harness(*STUDY)
    assert done.returncode == 1
    assert "cannot write to" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_ends_the_run_and_loses_nothing(harness: Command, tmp_path: Path) -> None:
    """When space runs out in the middle: one line, exit code 1, whole files only; with room again the run goes on."""
    results = tmp_path / "results"
    results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(results)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        (results / "ballast").write_bytes(b"x" * 56 * 1024)
        done = harness("run", "model=mini-gpt2-s", "task=zoo-agreement,zoo-story,zoo-topic,zoo-sentiment", "study=s")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        kept = {name: r for name, r in _records(tmp_path).items() if r["status"] == "ok"}
        subprocess.run(["mount", "-o", "remount,size=64m", str(results)], check=True)
        again = harness("run", "model=mini-gpt2-s", "task=zoo-agreement,zoo-story,zoo-topic,zoo-sentiment", "study=s")
        assert again.returncode == 0, again.stdout + again.stderr
        now = _records(tmp_path)
        assert {r["status"] for r in now.values()} == {"ok"}
        assert all(now[name] == record for name, record in kept.items())
        assert len(now) == 4
    finally:
        subprocess.run(["umount", str(results)], check=True)


def test_foreign_files_among_the_records_are_named_and_left(harness: Command, tmp_path: Path) -> None:
    """A half-written record and a stray file appear in the output, stay where they are, and do no harm."""
    assert harness(*SMALL).returncode == 0
    one = next((tmp_path / "results/s/records").rglob("*.json"))
    half = one.with_name("half.json")
    half.write_text(one.read_text(encoding="utf-8")[:100])
    done = harness("report", "s")
    assert done.returncode == 0, done.stderr
    assert "half.json" in done.stdout
    assert half.exists()


def test_several_subjects_at_once_with_joblib(harness: Command, tmp_path: Path) -> None:
    """Another launcher gives the same records."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs the extra [joblib]")
    folder_ = tmp_path / "conf" / "local"
    folder_.mkdir(parents=True)
    (folder_ / "default.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /hydra/launcher: local_joblib\n"
    )
    done = harness(*STUDY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {r["status"] for r in _records(tmp_path).values()} == {"ok"}
    assert len(_records(tmp_path)) == CELLS


@pytest.mark.slow
def test_several_subjects_at_once_with_ray(harness: Command, tmp_path: Path) -> None:
    """Ray, started locally, gives the same records."""
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="needs the extra [ray]")
    done = harness(*STUDY, "hydra/launcher=local_ray", RAY_DEDUP_LOGS="0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {r["status"] for r in _records(tmp_path).values()} == {"ok"}
    assert len(_records(tmp_path)) == CELLS
