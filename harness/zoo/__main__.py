"""``python -m harness.zoo``: make the task data, the tokenizer and the weights of the zoo again from their seeds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from harness.zoo import batches, card, data, names, publish, tokenizer, trainer
from harness.zoo.shapes import shapes

TOKENS = 2_500_000
_HELD_OUT_ROWS = 64
_HERE = Path(__file__).parent


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    data.write()
    if options.data_only:
        return
    device = _device(options.device)
    words = tokenizer.train()
    rows = batches.rows(words, options.tokens // tokenizer.POSITIONS)
    held_out = batches.rows(words, _HELD_OUT_ROWS, split="test").tokens
    end = tokenizer.end_id(words)
    for name in options.only or names():
        shape = shapes()[name]
        # The budget is part of the name: a checkpoint of another budget has another learning-rate schedule.
        checkpoint = options.checkpoints / f"{name}-{len(rows)}.pt"
        run = trainer.resume(trainer.start(shape, end=end, device=device), checkpoint)
        trainer.advance(run, rows, peak=shape.learning_rate, checkpoint=checkpoint)
        record = publish.publish(run, shape, words, folder=options.out / name, held_out=held_out)
        sys.stderr.write(f"{name}: held-out loss {record['held_out_loss']}\n")
    card.write(options.out, _HERE / "README.md" if options.out == _HERE / "weights" else options.out / "README.md")


def _parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(prog="python -m harness.zoo", description=__doc__)
    parser.add_argument("--only", action="append", choices=names(), metavar="NAME", help=f"one of {', '.join(names())}")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="training tokens per model (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--out", type=Path, default=_HERE / "weights", help="where the checkpoints go")
    parser.add_argument("--checkpoints", type=Path, default=Path(".zoo"), help="where an interrupted run is picked up")
    parser.add_argument("--data-only", action="store_true", help="write the task data and stop")
    return parser


def _device(name: str) -> torch.device:
    """Return the device to train on."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


if __name__ == "__main__":
    main()
