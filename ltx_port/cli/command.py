"""The run of one command line, and the one place where a refusal becomes a line and an exit code."""

import gc
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ltx_port.cli.options import build_parser
from ltx_port.cli.outputs import Outputs
from ltx_port.cli.plan import Plan, plan_of
from ltx_port.cli.proof import UNVERIFIED, proof_of
from ltx_port.cli.provenance import Hashes, told
from ltx_port.cli.recorders import Recorded, recorder
from ltx_port.cli.screen import Screen
from ltx_port.cli.write import write_outputs
from ltx_port.errors import InputError
from ltx_port.pipeline import Components, Pipeline
from ltx_port.pipeline.determinism import proven_settings
from ltx_port.pipeline.hidden_states import NEGATIVE, PROMPT, save_hidden_states
from ltx_port.pipeline.meter import Meter
from ltx_port.pipeline.watch import Watch

BAD_INPUT, MACHINE = 2, 4


def main(argv: Sequence[str] | None = None) -> int:
    """Generate what a command line asks for, and give its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    arguments = build_parser().parse_args(words)
    screen = Screen(arguments.quiet)
    try:
        plan, outputs = plan_of(arguments), Outputs.of(arguments)
        outputs.check(plan.route, plan.request)
        if arguments.threads is not None:
            torch.set_num_threads(arguments.threads)
        proof, command = proof_of(arguments, plan.numerics), shlex.join(["ltx-generate", *words])
        run = _Run(plan, outputs, proof, command, screen, arguments.json)
        result = run.checked() if arguments.check else run.generated()
        if arguments.json:
            screen.json(result)
        sys.stdout.flush()
    except InputError as error:
        screen.error(str(error))
        return BAD_INPUT
    except (MemoryError, torch.OutOfMemoryError) as error:
        screen.error(f"out of memory: {str(error).splitlines()[0] if str(error) else 'no more on the host'}; expected "
                     "enough for the phase that ran; use --offload blocks, fewer frames or a smaller size")  # fmt: skip
        return MACHINE
    except OSError as error:
        screen.error(f"{error.filename or 'output'}: {error.strerror or error}; expected to read and write it; free "
                     "some of the disk, or check it, and run again")  # fmt: skip
        return MACHINE
    except KeyboardInterrupt:
        screen.error("interrupted: nothing was left under the output's name; run it again")
        return 128 + signal.SIGINT
    return 0


@dataclass(frozen=True)
class _Run:
    """One run, planned and checked."""

    plan: Plan
    outputs: Outputs
    proof: str
    command: str
    screen: Screen
    json: bool

    def checked(self) -> dict[str, Any]:
        """Say that all is there, and generate nothing."""
        self.screen.note("all checks passed: files, request, output, certificate")
        return {"checked": True, "certificate": self.proof}

    def generated(self) -> dict[str, Any]:
        """Generate and write the clip, show what it took, and give the result."""
        if self.proof == UNVERIFIED:
            self.screen.note("no certificate is asked for (--unverified): nothing says that these numbers are right")
        plan, meter = self.plan, Meter(self.plan.numerics.device)
        with ExitStack() as stack:
            stack.enter_context(_collecting_only_what_comes())
            hashes = stack.enter_context(Hashes(plan.files))
            stack.enter_context(proven_settings())
            stack.enter_context(torch.inference_mode())
            watch = stack.enter_context(self.screen.watching(meter))
            metadata, dump = self._run(hashes, watch)
        return self._shown(meter, metadata, dump)

    def _run(self, hashes: Hashes, watch: Watch) -> tuple[dict[str, str], Path | None]:
        plan = self.plan
        pipeline = Pipeline(plan.route, plan.numerics.release)
        components = Components(plan.route, plan.files, plan.numerics)
        with self._saving_states(pipeline), self._recording(pipeline) as dump:
            generated = pipeline(plan.request, components, watch)
            metadata = told(plan, self.proof, hashes.all())
            write_outputs(self.outputs, generated, plan, metadata, watch)
        return metadata, dump

    @contextmanager
    def _saving_states(self, pipeline: Pipeline) -> Iterator[None]:
        path = self.outputs.hidden_states
        if path is None:
            yield
            return

        def save(_: Any, __: Any, read: Any) -> None:
            save_hidden_states(path, dict(zip((PROMPT, NEGATIVE), read, strict=False)))

        handle = pipeline.states.register_forward_hook(save)
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def _recording(self, pipeline: Pipeline) -> Iterator[Path | None]:
        if self.outputs.dump is None:
            yield None
            return
        self.outputs.dump.mkdir(exist_ok=True)
        recording: AbstractContextManager[Path] = recorder()(
            Recorded(pipeline, self.plan, self.command), self.outputs.dump
        )
        with recording as path:
            yield path

    def _shown(self, meter: Meter, metadata: dict[str, str], dump: Path | None) -> dict[str, Any]:
        clip, path = self.plan.request.clip, self.outputs.clip
        if not self.json:
            self.screen.phases(meter.rows)
            self.screen.line(f"{path}: {clip.frames} frames of {clip.width}x{clip.height}, {clip.fps:g} a second")
        return {
            "path": str(path),
            "bytes": os.stat(path).st_size,
            "frames": clip.frames,
            "height": clip.height,
            "width": clip.width,
            "fps": clip.fps,
            "verified": self.proof != UNVERIFIED,
            "metadata": metadata,
            "dump": None if dump is None else str(dump),
            "phases": [asdict(row) for row in meter.rows],
        }


@contextmanager
def _collecting_only_what_comes() -> Iterator[None]:
    """Keep what is imported already out of the collection at each phase's end, which took as long as the phase."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
