"""Making a damaged run folder fit to go on with: what a search makes anew is removed."""

from pathlib import Path

from explorer.runs.sealed import DamagedError
from explorer.runs.store import Store
from explorer.runs.summaries import SUMMARIES, read_summary
from explorer.utils.files import remove_temporary


def mend(folder: Path) -> list[str]:
    """Check every stored file of a run folder and remove what is damaged; for the run's owner only.

    A network that is removed is trained anew by the search that goes on with the run, as far as it was; it is
    the same again where trainings are (same seed, same machine). In a shared study it is taken from there.

    Returns:
        One sentence for each thing removed.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="mended", workers=1, energy=False, progress=False)
        >>> mend(run.path)
        []
        >>> _ = (run.path / "trials.json").write_text("{")
        >>> mend(run.path)
        ['reports/mended/trials.json: not valid JSON: ...']
    """
    remove_temporary(folder)
    store, removed = Store(folder), []
    store.remove_unfinished()
    for key in store:
        try:
            store.check(key)
        except DamagedError as error:
            store.remove(key)
            removed.append(f"{error.what}; the network is made anew")
    for name in SUMMARIES:
        try:
            if (folder / name).exists():
                read_summary(folder / name)
        except DamagedError as error:
            (folder / name).unlink()
            removed.append(f"{error.what}; it is written anew")
    return removed
