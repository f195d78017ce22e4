"""Everything that users meet is documented, and everything documented exists."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from sysmon.analyze.charts import CHARTS
from sysmon.analyze.charts.ask import Chart
from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.rules import rules
from sysmon.analyze.trace.sqlfile import View
from sysmon.analyze.tui.keys import EVERY
from sysmon.analyze.tui.pages import PAGES
from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds import KINDS
from sysmon.commands import COMMANDS, cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found
    return found


def section(text: str, title: str) -> str:
    """The text below a second-level heading."""
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_generated_pages_are_fresh() -> None:
    check = [sys.executable, ROOT / "docs" / "generate.py", "--check"]
    result = subprocess.run(check, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str) -> None:
    text = section(page("commands.md"), f"sysmon {name}")
    assert "Examples:" in text
    for parameter in command(name).params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, f"{parameter.name} has no help"
            assert max(parameter.opts, key=len) in text


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_every_kind_and_column_is_documented(kind: Kind) -> None:
    text = section(page("trace-format.md"), kind.name)
    assert kind.doc.endswith(".")
    assert f"`{kind.view}`" in text
    for col in kind.cols:
        assert col.doc.endswith("."), f"{col.name} has no meaning, or not in a sentence"
        assert f"\n| `{col.name}` |" in text


@pytest.mark.parametrize("name", [r.name for r in reports()])
def test_every_report_and_column_is_documented(name: str) -> None:
    report = next(r for r in reports() if r.name == name)
    text = section(page("reports.md"), name)
    assert report.title
    assert report.title in text
    for col in report.columns:
        assert col.doc, f"{col.name} has no meaning"
        assert f"\n| `{col.name}` |" in text


@pytest.mark.parametrize("chart", CHARTS.values(), ids=lambda c: c.name)
def test_every_chart_is_documented(chart: Chart) -> None:
    text = section(page("charts.md"), chart.name)
    assert chart.doc.endswith(".")
    assert chart.title in text
    assert chart.doc in text


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r.name)
def test_every_rule_is_documented(rule: View) -> None:
    text = section(page("findings.md"), rule.name)
    assert rule.title in text
    assert rule.doc in text


@pytest.mark.parametrize("shown", [key.shown for key in EVERY] + [page.key for page in PAGES if page.key])
def test_every_key_of_the_screen_is_documented(shown: str) -> None:
    assert f"\n| {' or '.join(f'`{name}`' for name in shown.split(' or '))} | " in section(page("live.md"), "All keys")


def shown_commands(text: str) -> list[list[str]]:
    """Every line of a shell block that runs sysmon, as arguments."""
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    words = [shlex.split(line, comments=True) for line in lines if re.search(r"(^| |/)sysmon ", line)]
    return [line[next(i for i, word in enumerate(line) if Path(word).name == "sysmon") + 1 :] for line in words]


@pytest.mark.parametrize("arguments", shown_commands(README), ids=" ".join)
def test_commands_of_the_readme_exist(arguments: list[str]) -> None:
    """The command accepts these options, and the reports exist."""
    before_shell = arguments[: arguments.index(">")] if ">" in arguments else arguments
    name, *rest = before_shell
    context = command(name).make_context(name, rest, resilient_parsing=False)
    known = {r.name for r in reports()}
    named = context.params.get("names", ()) if name == "report" else ()
    assert set(named) <= known


def test_the_readme_shows_commands() -> None:
    assert len(shown_commands(README)) > 5


def test_links_lead_somewhere() -> None:
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("script", re.findall(r"\bscript/\w+", README))
def test_scripts_of_the_readme_can_be_run(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for group in (project["dependencies"], *project["optional-dependencies"].values()):
        for requirement in group:
            assert re.split("[<>=]", requirement)[0] in page("dependencies.md")


def test_the_threat_models_tests_exist() -> None:
    """Every test that the page names exists."""
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page("threat-model.md"))
    assert len(named) > 20
    for file, test in named:
        assert not test or f"\ndef {test}(" in (ROOT / file).read_text(), (file, test)
        assert (ROOT / file).exists(), file
