"""Fuzz with atheris, guided by what each example reaches: ``python guided.py TARGET SECONDS FOLDER``.

FOLDER keeps the corpus from run to run, and what was found. Where atheris has no wheel for this Python, the same time
is spent on changes drawn at random.
"""

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

LIMITS = ("-rss_limit_mb=1024", "-timeout=2", "-max_len=16384", "-close_fd_mask=0", "-print_final_stats=1")


def main(target, seconds, folder):
    """Fuzz one target."""
    folder = Path(folder) / target
    folder.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris") is None:
        sys.stdout.write("atheris is not installed: changes are drawn at random instead.\n")
        script = Path(__file__).with_name("run.py")
        command = [sys.executable, script, target, f"{seconds}s", str(random.SystemRandom().randrange(2**32)), folder]
        raise SystemExit(subprocess.run(command, check=False).returncode)
    import atheris

    with atheris.instrument_imports(include=["lenetx_runtime", "PIL"]):
        from corpus import CORPORA
        from run import MUTATORS
        from targets import TARGETS
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for name, data in CORPORA[target]().items():
        (corpus / name).write_bytes(data)

    def mutator(data, size, seed):
        source = random.Random(seed)
        if source.random() < 0.5:
            return atheris.Mutate(data, size)
        try:
            return MUTATORS[target](data, source)[:size]
        except Exception:  # no model any more: its bytes are changed
            return atheris.Mutate(data, size)

    paths = [f"-artifact_prefix={folder}/", f"-max_total_time={seconds}", str(corpus)]
    atheris.Setup([sys.argv[0], *LIMITS, *paths], TARGETS[target], custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
