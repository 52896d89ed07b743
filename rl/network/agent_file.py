"""An agent in one file: a network's weights as safetensors, and in the file's header all that is needed to use them."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from games.base import Game
from rl.errors import UserError
from rl.network.kinds import AnyNetwork, kind_of

FORMAT_VERSION = 1


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the rest of the header and of all tensors: safetensors itself does not notice a flipped bit."""
    described = {name: value for name, value in header.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_agent(path: Path, network: AnyNetwork, game: Game, metadata: Mapping[str, str]) -> None:
    """Write the weights of `network` for `game` to `path`, replacing what was there only when the new file is whole.

    `metadata` are free strings about the agent (its card): how it was trained, how strong it is. `read_card` gives
    them back. Raises UserError when the file cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    header: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "game": game.name,
        "family": game.family,
        "config": asdict(network.config),
        "shape": asdict(network.shape),
        "card": dict(metadata),
    }
    header["sha256"] = _digest(header, tensors)
    payload = save(tensors, metadata={"keima_agent": json.dumps(header, sort_keys=True)})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"cannot write the agent {path}: {error.strerror or error}") from error


def load_agent(path: Path, game: Game) -> AnyNetwork:
    """The network in the agent file `path`, in evaluation mode, its size as the file says and its shape `game`'s.

    Any game of the agent's family will do: weights do not depend on the board's size. Raises UserError when the file is
    missing, damaged, or an agent of another game.
    """
    header, tensors = _read(path)
    try:
        # Agents of before there were families name their game alone.
        known = (header["game"], header.get("family", header["game"]))
        if game.name != known[0] and game.family != known[1]:
            raise UserError(f"{path} is an agent of {header['game']}, not of {game.name}")
        kind = kind_of(game)
        config, shape = kind.config(**header["config"]), kind.shape.of(game)
        found = kind.shape.from_json(header["shape"])
        if not (found == shape or (game.name != known[0] and found.serves(shape))):
            raise UserError(f"{path} was made for another version of {game.name}: its observations or actions differ")
        network: AnyNetwork = kind.network(shape, config)
        network.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} is damaged: its header does not describe its weights") from error
    return network.eval()


def read_card(path: Path) -> dict[str, str]:
    """The free strings that `save_agent` was given. Raises UserError when the file is missing or damaged."""
    card: dict[str, str] = _read(path)[0]["card"]
    return card


def card_number(card: Mapping[str, str], key: str) -> float | None:
    """What a card says there, None where it says nothing of use: a card is free text."""
    try:
        number = float(card[key])
    except (KeyError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def weights_digest(path: Path) -> str:
    """SHA-256 of the network in an agent file, whatever its card says. Raises UserError as `read_card` does."""
    header, tensors = _read(path)
    return _digest({name: header.get(name) for name in ("game", "config", "shape")}, tensors)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and verified tensors of an agent file."""
    if not path.is_file():
        raise UserError(f"there is no agent at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        header = json.loads(metadata["keima_agent"])
        version, digest = header["format_version"], header["sha256"]
    except KeyError as error:
        raise UserError(f"{path} is no Keima agent, or a damaged one: its header lacks {error}") from error
    except (SafetensorError, ValueError, TypeError, OSError) as error:
        raise UserError(f"{path} is damaged, or no safetensors file: {str(error).splitlines()[0]}") from error
    if version != FORMAT_VERSION:
        raise UserError(f"{path} has agent format {version}; this Keima reads format {FORMAT_VERSION}")
    if digest != _digest(header, tensors):
        raise UserError(f"{path} is damaged: its contents do not match their checksum")
    return header, tensors
