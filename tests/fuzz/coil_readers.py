"""Let atheris look for bytes that a reader of coil files trips over; every suffix in turn, or those that are named.

    python tests/fuzz/coil_readers.py [.tcd .nii …] [-- libFuzzer's options, such as -max_total_time=60]

It ends with exit code 0 when nothing was found, and otherwise leaves the bytes in a file crash-….
"""

import sys
import tempfile
from pathlib import Path


def main() -> None:
    import atheris  # here, because whoever collects tests imports this file, and need not have it

    looked_at = ["femtms.io", "femtms.coil", "nibabel", "json"]
    with atheris.instrument_imports(include=looked_at):
        sys.path.insert(0, str(Path(__file__).parent))
        import readers

    mine, theirs = sys.argv[1:], []
    if "--" in mine:
        at = mine.index("--")
        mine, theirs = mine[:at], mine[at + 1 :]
    suffixes = mine or list(readers.READERS)
    unknown = set(suffixes) - set(readers.READERS)
    if unknown:
        sys.exit(f"suffixes must be of {', '.join(readers.READERS)}; got {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as name:
        folder, corpus = Path(name), Path(name) / "corpus"
        corpus.mkdir()
        for suffix, content in readers.valid_files().items():
            if suffix in suffixes:
                (corpus / suffix).write_bytes(bytes([suffixes.index(suffix)]) + content)

        def one(data: bytes) -> None:
            """The first byte chooses the format."""
            if len(data) > 1:
                readers.read(suffixes[data[0] % len(suffixes)], data[1:], folder)

        limits = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=8192"]
        atheris.Setup([sys.argv[0], str(corpus), *limits, *theirs], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
