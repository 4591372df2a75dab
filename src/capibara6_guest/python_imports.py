"""Acting when the user first imports a library, so that templates without it need nothing of it."""

import importlib.machinery
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

Action = Callable[[ModuleType], None]

INLINE_BACKEND = "module://matplotlib_inline.backend_inline"


def prepare_imports(display: Callable[..., Any]) -> None:
    """Make images, figures and plots of the known libraries show themselves through `display`."""
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is None:
        choose_backend()
    else:
        matplotlib.use(INLINE_BACKEND)
    watch = _ImportWatch()
    sys.meta_path.insert(0, watch)
    watch.act("PIL.Image", lambda module: _display_saved_images(module, display))
    watch.act("PIL.ImageShow", _display_shown_images)
    watch.act("plotly.io", _choose_renderer)


def choose_backend() -> None:
    """Have matplotlib, once it is imported, hand its figures to the shell; the user may override.

    An environment variable is the only way that costs nothing where matplotlib is never imported.
    """
    os.environ.setdefault("MPLBACKEND", INLINE_BACKEND)


class _ImportWatch(MetaPathFinder):
    """Finds nothing itself: wraps the loader that the other finders give for a watched name."""

    def __init__(self) -> None:
        self._actions: dict[str, Action] = {}

    def act(self, name: str, action: Action) -> None:
        """Call `action(module)` once `name` is imported, or now if it is."""
        module = sys.modules.get(name)
        if module is None:
            self._actions[name] = action
        else:
            action(module)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._actions:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                self._wrap(spec)
                return spec
        return None

    def _wrap(self, spec: importlib.machinery.ModuleSpec) -> None:
        loader: Any = spec.loader
        load = loader.exec_module

        def load_and_act(module: ModuleType) -> None:
            load(module)
            action = self._actions.pop(module.__name__, None)
            if action is not None:
                action(module)

        # An attribute of this loader alone; the next import of the name gets a fresh loader.
        loader.exec_module = load_and_act


def _display_saved_images(module: Any, display: Callable[..., Any]) -> None:
    """As E2B: saving an image under a file name also displays it."""
    save = module.Image.save

    def save_and_display(image: Any, fp: Any, format: Any = None, **params: Any) -> None:  # noqa: A002
        if isinstance(fp, str):
            display(image)
        save(image, fp, format, **params)

    module.Image.save = save_and_display


def _display_shown_images(module: Any) -> None:
    """`Image.show()` has no screen here: Pillow's own IPython viewer comes first."""
    module.register(module.IPythonViewer(), 0)


def _choose_renderer(module: Any) -> None:
    """Plotly figures as their own MIME type and as an HTML page that loads plotly.js from its CDN.

    The renderers meant for notebooks put 4 MB of script into a result of its own; "colab" is the
    name of the one whose HTML stands alone.
    """
    module.renderers.default = "plotly_mimetype+colab"
