"""A confined child that runs what hostile models want, as nothing but confinement holds it back.

`python -m tests.training.unchecked_child` takes the request of a confined child with the
models' folder, loads each by its framework's own loader, and prints what each attempt came to.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pi_classifier_training.importing.confined_child import _give_up_rights


def load_saved_model(folder: Path) -> str:
    """As TensorFlow loads and calls it, initializers included."""
    import numpy as np
    import tensorflow as tf

    call = tf.saved_model.load(str(folder)).signatures["serving_default"]
    (name,) = call.structured_input_signature[1]
    call(**{name: tf.constant(np.zeros((1, 32, 32, 3), np.float32))})
    return "ran"


def run_graph(path: Path) -> str:
    import numpy as np
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(path.read_bytes())
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(definition, name="")
        session.run("final_result:0", {"input:0": np.zeros((1, 32, 32, 3), np.float32)})
    return "ran"


def look_up(secret: Path) -> str:
    """What a StringLookup layer reads."""
    import keras

    layer = keras.layers.StringLookup(vocabulary=str(secret))
    return str(layer.get_vocabulary()[-1])


def run_lambda(target: Path) -> str:
    """What the code of a Lambda layer may do."""
    target.write_text("written")
    return "ran"


def follow(path: Path) -> str:
    import h5py

    with h5py.File(path) as file:
        return str(file["model_weights/sequential_1/dense_Dense1/bias:0"][:].shape)


def connect(kind: int, family: int, address: Any) -> str:
    with socket.socket(family, kind) as connection:
        connection.connect(address)
    return "connected"


def attempts(folder: Path, port: int) -> dict[str, Callable[[], Any]]:
    secret, stolen = folder / "secret.txt", folder / "stolen"
    return {
        "SavedModel, initializer": lambda: load_saved_model(folder / "initialized"),
        "SavedModel, function": lambda: load_saved_model(folder / "stealing"),
        "frozen graph": lambda: run_graph(folder / "stealing.pb"),
        "Keras, StringLookup": lambda: look_up(secret),
        "Keras, Lambda": lambda: run_lambda(stolen / "lambda"),
        "HDF5, external link": lambda: follow(folder / "external link.h5"),
        "HDF5, external data": lambda: follow(folder / "external data.h5"),
        "read": secret.read_text,
        "read another process": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes()[:9],
        "list": lambda: [path.name for path in folder.iterdir()],
        "write": lambda: (stolen / "written").write_text("x"),
        "overwrite": lambda: os.truncate(secret, 0),
        "delete": (folder / "to delete").unlink,
        "permissions": lambda: secret.chmod(0o666),
        "TCP": lambda: connect(socket.SOCK_STREAM, socket.AF_INET, ("127.0.0.1", port)),
        "UDP": lambda: connect(socket.SOCK_DGRAM, socket.AF_INET, ("127.0.0.1", port)),
        "local socket": lambda: connect(
            socket.SOCK_STREAM, socket.AF_UNIX, str(folder / "socket")
        ),
        "program": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True).returncode,
        "signal": lambda: os.kill(os.getppid(), 0),
    }


def outcome(attempt: Callable[[], Any]) -> str:
    """Empty where it was refused, as the system refuses or TensorFlow reports it."""
    import h5py  # noqa: F401  opened before its errors are looked at
    import tensorflow as tf

    refusals = (PermissionError, tf.errors.PermissionDeniedError)
    try:
        return f"done: {attempt()!r}"
    except refusals:
        return ""
    except Exception as error:  # noqa: BLE001  the test reads it
        words = str(error).lower()
        refused = "permission denied" in words or "not permitted" in words or "unable to" in words
        return "" if refused else repr(error)


def main() -> int:
    request = json.load(sys.stdin)
    _give_up_rights(request)
    models = Path(request["models"])
    results = {name: outcome(run) for name, run in attempts(models, request["port"]).items()}
    json.dump(results, sys.stdout)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
