"""What pyproject.toml cannot say: the shipped models lie beside the package, and go into it."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

MODELS = Path(__file__).parent / "models"


class BuildWithModels(build_py):
    """Puts models/NAME/* into the wheel as pi_classifier/models/NAME/*.

    An editable installation finds them where they are.
    """

    def run(self) -> None:
        if self.editable_mode:
            super().run()
            return
        # setuptools packs all that lies there, modules of an earlier version as well
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        for source, target in self._models():
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        models = [] if self.editable_mode else [str(target) for _, target in self._models()]
        return [*super().get_outputs(include_bytecode), *models]

    def _models(self) -> list[tuple[Path, Path]]:
        folder = Path(self.build_lib, "pi_classifier", "models")
        return [(path, folder / path.relative_to(MODELS)) for path in sorted(MODELS.glob("*/*"))]


setup(cmdclass={"build_py": BuildWithModels})
