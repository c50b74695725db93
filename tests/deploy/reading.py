"""Reads the files of deploy/ as those who use them do."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"


def env_file(path: Path) -> dict[str, str]:
    """Read an env file by the rules that docker and systemd share: NAME=value, and lines that begin with #."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def example_settings(folder: Path) -> dict[str, str]:
    """Give the example settings, with /etc/chartside made in a folder from the examples beside them."""
    for name in ("clients", "site"):
        text = (DEPLOY / f"{name}.example.toml").read_text(encoding="utf-8")
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    settings = env_file(DEPLOY / "chartside.example.env")
    return {name: value.replace("/etc/chartside", str(folder)) for name, value in settings.items()}
