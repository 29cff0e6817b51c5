from pathlib import Path

import pytest

from explorer.runs.folder import resume_command, run_argument


def test_a_run_is_named_where_the_default_folder_of_runs_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here, elsewhere = Path("reports/my-run"), tmp_path / "other" / "reports" / "my-run"
    assert run_argument(here) == run_argument(here.resolve()) == "my-run"
    assert run_argument(elsewhere) == str(elsewhere)  # another folder of that name is not the default one
    assert run_argument(Path("out/a b")) == "'out/a b'"
    assert resume_command(here) == "python -m explorer.search --run my-run --resume"
    assert resume_command(elsewhere).endswith(f"--run my-run --resume --reports {elsewhere.parent}")
