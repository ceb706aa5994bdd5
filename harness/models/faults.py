"""What goes wrong while a checkpoint is read, in one line that names the model.

Layer: models; imports torch. transformers, safetensors, the hub client and pickle each raise their own kinds, some with
a page of advice; a user needs the place, the reason and what would be right.
"""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING

from huggingface_hub import errors as hub
from safetensors import SafetensorError

from harness.config import ConfigError
from harness.generation.budget import first_line, is_out_of_memory
from harness.models.place import UNREACHABLE
from harness.records import OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS: tuple[type[BaseException], ...] = (
    OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError, AssertionError, ImportError, EOFError,
    SafetensorError, pickle.UnpicklingError, hub.StrictDataclassError, *UNREACHABLE,
)  # fmt: skip
_LONGEST = 240
_NOT_CACHED = "it is not in the local cache, and the model hub cannot be reached or HF_HUB_OFFLINE is set"


@contextmanager
def told(name: str, source: str, part: str) -> Iterator[None]:
    """Turns what loading `part` raises into one line. Outcomes of ours pass unchanged.

    Raises:
        OutOfMemory: memory ran out, whoever says so.
        ConfigError: naming the model, its source, the part and the reason.
    """
    try:
        yield
    except (ConfigError, OutOfMemory):
        raise
    except (*_KINDS, MemoryError) as error:
        if full := next((link for link in _chain(error) if is_out_of_memory(link)), None):
            raise OutOfMemory(f"model {name}: memory ran out, loading its {part}: {first_line(full)}") from None
        raise ConfigError(f"model {name}: cannot load the {part} of {source!r}: {reason(error)}") from None
    except Exception as error:
        if type(error) is not Exception:
            raise
        # The tokenizers library, written in Rust, raises plain Exception for every fault.
        raise ConfigError(f"model {name}: cannot load the {part} of {source!r}: {reason(error)}") from None


def reason(error: BaseException) -> str:
    """One line for `error`: the hub's refusals in plain words, else the first line of the message."""
    chain = _chain(error)
    for kind, text in (
        (hub.GatedRepoError, "the hub asks you to accept its terms and to log in"),
        (hub.RevisionNotFoundError, "the hub has no such revision"),
        (hub.RepositoryNotFoundError, "the hub has no model of that name, or it is private"),
        (hub.LocalEntryNotFoundError, _NOT_CACHED),
        (hub.OfflineModeIsEnabled, _NOT_CACHED),
    ):
        if any(isinstance(link, kind) for link in chain):
            return text
    if any(isinstance(link, SafetensorError) for link in chain):
        return f"a safetensors file is corrupt or truncated ({_first_line(error)})"
    if any(isinstance(link, pickle.UnpicklingError) for link in chain):
        return "a pickle file holds more than weights, or is corrupt; only weights are loaded, and safetensors is safer"
    if "ignore_mismatched_sizes" in str(error):
        return "the shapes of its weights do not fit its config.json"
    return _first_line(error)


def _chain(error: BaseException) -> list[BaseException]:
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    return links


def _first_line(error: BaseException) -> str:
    line = " ".join(str(error).split("\n\n")[0].split()) or type(error).__name__
    return line if len(line) <= _LONGEST else line[:_LONGEST] + " …"
