"""The command `harness` and its subcommands. Heavy imports live inside the commands: `--help` answers at once.

Layer: the top. Exit codes: 0 all is well; 1 something failed and is recorded or printed; 2 what was asked for cannot
be; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import harness
from harness.config import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION = "Compare GPT-family language models: quality, speed and memory in one table."
RUN_HELP = """\
usage: harness run [-m] [--dry-run] [override ...]

Measures models on tasks and probes and compares them. Overrides are Hydra's:

  harness run experiment=quickstart                      a named study
  harness run model=gpt2 task=[sst2,piqa] probe=decode   one model
  harness run -m model=gpt2,pythia-160m task=sst2,piqa   several models; their tasks share one loading of the weights
  harness run ... limit=100 study=trial                  fewer documents, under a name of its own
  harness run ... model.dtype=bfloat16 device=cpu        any field of a model, task or probe
  harness run ... scoring=reference                      one sequence at a time; also scoring=screened
  harness run ... hydra/launcher=local_joblib                  several models at once (also slurm, local_ray)

Running the same command again measures only what is missing.

  -m, --multirun   sweep over comma-separated values
  --dry-run        say what would be measured; load no weights
  --cfg job        print the composed config          (Hydra's; also --info, --config-dir, --hydra-help, ...)

Completion in bash: eval "$(harness run -sc install=bash)"
What there is: harness list models | tasks | probes | suites | experiments
"""
_SETTINGS = "harness.analysis.settings.ReportSettings"
PASSED_ON = ("--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if own := {"run": _run, "perturb": _perturb}.get("".join(words[:1])):
            return own(words[1:])
        if words[:1] in (["-sc"], ["--shell-completion"]):
            return _complete(words)
        options = _parser().parse_args(words)
        return options.command(options)
    except ConfigError as error:
        return _say(str(error), code=2)
    except KeyboardInterrupt:
        return _say("interrupted", code=130)
    except BrokenPipeError:
        # The reader of our output has gone (`harness list | head`): nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _say(message: str, *, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"harness: {' '.join(message.split())}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    from harness.exchange import commands as commands_of

    parser = argparse.ArgumentParser(prog="harness", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"harness {harness.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("run", add_help=False, help="measure models on tasks and probes (harness run --help)")
    report = commands.add_parser("report", help="write the report of a study anew and print its table")
    report.add_argument("study", help="name of a study under results/, or its folder")
    report.add_argument("--against", metavar="OTHER", help="a study to compare it with, entry by entry, item by item")
    report.add_argument("--results", default="results", help="folder of the studies (default: results)")
    report.set_defaults(command=_report)
    compare = commands.add_parser("compare", help="two entries or two studies side by side: differences and verdicts")
    compare.add_argument("a", help="an entry or model of the study, STUDY:ENTRY, or a study")
    compare.add_argument("b", help="what it is compared with")
    compare.add_argument("--study", help="study of both entries (default: the only one there is)")
    compare.add_argument("--results", default="results", help="folder of the studies (default: results)")
    compare.set_defaults(command=_compare)
    commands_of.add_import(commands.add_parser("import", help="bring lm-eval's result files into a study"))
    send = commands.add_parser("export", help="a study as CSV or LaTeX, or for TensorBoard, W&B, MLflow")
    commands_of.add_export(send)
    send.set_defaults(command=_export)
    listing = commands.add_parser(
        "list", help="list models, methods, tasks, probes, suites, experiments and everything else there is to choose"
    )
    listing.add_argument(
        "what",
        help="models | methods | tasks | probes | suites | experiments | devices | scoring | hardware | "
        "perturbations | reports | studies",
    )
    listing.add_argument(
        "--facts", action="store_true", help="of models: sizes, FLOPs, bytes, the batch that fits here, decode bound"
    )
    listing.add_argument("--results", default="results", help="folder of the studies (default: results)")
    listing.set_defaults(command=_list)
    commands.add_parser("perturb", add_help=False, help="what perturbations make of a text (harness perturb --help)")
    doctor = commands.add_parser("doctor", help="what this machine can run: devices, memory, versions, hub")
    doctor.add_argument(
        "--measure", action="store_true", help="measure what the device reaches and write conf/hardware/NAME.yaml here"
    )
    doctor.set_defaults(command=_doctor)
    return parser


def _run(words: list[str]) -> int:
    if words and words[0] in ("-h", "--help"):
        sys.stdout.write(RUN_HELP)
        return 0
    from harness.compose import hand_over, rewrite

    dry = "--dry-run" in words
    words = rewrite([w for w in words if w != "--dry-run"])
    if any(w.split("=")[0] in PASSED_ON for w in words):
        hand_over(words, lambda _: None)
        return 0
    from harness.run import dry_run, run

    return dry_run(words) if dry else run(words)


def _perturb(words: list[str]) -> int:
    from harness.perturb import main as perturb

    return perturb(words)


def _export(options: argparse.Namespace) -> int:
    from harness.exchange.commands import send

    return send(_study_folder(options.study, Path(options.results)), options.form, options.out)


def _complete(words: list[str]) -> int:
    """Answers the shell function that `harness run -sc install=bash` prints; Hydra knows nothing of our commands."""
    line = os.environ.get("COMP_LINE", "").split(" ")
    if line[1:2] != ["run"]:
        sys.stdout.write("run report compare list perturb doctor import export --help --version\n")
        return 0
    from harness.compose import hand_over

    overrides = [w for w in line[2:-1] if not w.startswith("-")] + line[2:][-1:]
    os.environ["COMP_LINE"] = " ".join([line[0], *overrides])
    hand_over(words, lambda _: None)
    return 0


def _report(options: argparse.Namespace) -> int:
    from harness.run import finish

    results = Path(options.results)
    folder = _study_folder(options.study, results)
    if options.against is None:
        return finish(folder, {}, anew=True)
    other = _study_folder(options.against, results)
    if other.resolve() == folder.resolve():
        raise ConfigError(f"--against {options.against}: that is the study itself; give another one")
    code = finish(folder, {"_target_": _SETTINGS, "against": str(other)}, anew=True)
    return code or _print(str(folder), str(other), None, results)


def _compare(options: argparse.Namespace) -> int:
    return _print(options.a, options.b, options.study, Path(options.results))


def _print(a: str, b: str, study: str | None, results: Path) -> int:
    """Prints two entries or studies side by side, in letters that the terminal knows."""
    from harness.analysis import side_by_side

    width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 120
    coding = sys.stdout.encoding or "ascii"
    for line in side_by_side.lines(a, b, study=study, results=results, width=width):
        sys.stdout.write(line.encode(coding, errors="replace").decode(coding) + "\n")
    return 0


def _study_folder(study: str, results: Path) -> Path:
    """The folder of a study given by name or by path."""
    for folder in (results / study, Path(study)):
        if (folder / "records").is_dir():
            return folder
    known = [p.parent.name for p in sorted(results.glob("*/records"))]
    hint = nearest(study, known) if known else f"no studies under {results}"
    raise ConfigError(f"no records of a study {study!r}: {hint}")


def _list(options: argparse.Namespace) -> int:
    if options.facts:
        if options.what.removesuffix("s") != "model":
            raise ConfigError(f"--facts is about models: harness list models --facts, not {options.what}")
        from harness.facts import show

        return show()
    if options.what == "studies":
        rows = [
            (p.parent.name, f"{len(list(p.glob('*/*.json')))} records") for p in Path(options.results).glob("*/records")
        ]
        entries = [{"name": name, "about": about, "own": False} for name, about in sorted(rows)]
    else:
        from harness.catalogue import describe

        entries = describe(options.what.removesuffix("s"))
        entries = [e for e in entries if e["name"] != "none" or options.what in ("methods", "method")]
    width = max((len(e["name"]) for e in entries), default=0)
    for entry in entries:
        own = "  (yours)" if entry["own"] else ""
        sys.stdout.write(f"{entry['name']:<{width}}  {entry['about']}{own}\n")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from harness.doctor import examine, measure

    return measure() if options.measure else examine()


if __name__ == "__main__":
    raise SystemExit(main())
