"""The published weaknesses: `published.md` and the cases in the published folders say the same."""

import re

from . import HERE, load

CASES = {name: case for name, case in load().items() if name.split("/")[1] == "published"}
TEXT = (HERE / "published.md").read_text("utf-8")
NUMBER = re.compile(r"CVE-(?:199|20\d)\d-\d{4,}|GHSA(?:-[23456789cfghjmpqrvwx]{4}){3}")
NAMED = re.compile(r"`((?:in)?valid/[a-z0-9/-]+)`")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under `heading`, without its first two rows."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


SHOWN = rows("Shown by a case")
UNNUMBERED = rows("Published without a number")
ABSENT = rows("Not in the corpus")


def numbers(row: list[str]) -> list[str]:
    return row[0].split(", ")


def test_there_are_tables_and_cases() -> None:
    assert len(SHOWN) > 100
    assert len(UNNUMBERED) > 3
    assert len(ABSENT) > 30
    assert len(CASES) > 70
    assert all(len(row) == 5 and all(row) for row in SHOWN + UNNUMBERED + ABSENT)


def test_numbers_are_well_formed() -> None:
    of_cases = [number for case in CASES.values() for number in case.ids]
    of_tables = [number for row in SHOWN + ABSENT for number in numbers(row)]
    assert [number for number in of_cases + of_tables if not NUMBER.fullmatch(number)] == []


def test_each_number_has_one_row() -> None:
    every = [number for row in SHOWN + ABSENT for number in numbers(row)]
    assert sorted(every) == sorted(set(every))
    assert len(set(every)) > 200


def test_years_are_years() -> None:
    assert [row for row in SHOWN + UNNUMBERED + ABSENT if not re.fullmatch(r"20[012]\d", row[2])] == []


def test_the_table_and_the_expectations_say_the_same() -> None:
    in_table = {(number, name) for row in SHOWN for number in numbers(row) for name in NAMED.findall(row[4])}
    in_cases = {(number, name) for name, case in CASES.items() for number in case.ids}
    assert in_table - in_cases == set()
    assert in_cases - in_table == set()


def test_every_row_of_what_is_shown_names_a_case() -> None:
    assert [row for row in SHOWN + UNNUMBERED if not NAMED.findall(row[4])] == []


def test_every_case_is_named_and_every_named_case_exists() -> None:
    assert set(NAMED.findall(TEXT)) == CASES.keys()


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"\b(tests/\w+(?:/\w+)*\.py)::(\w+)", TEXT)
    assert len(named) > 5
    root = HERE.parent.parent
    assert [name for path, name in named if f"def {name}(" not in (root / path).read_text("utf-8")] == []


def test_no_two_cases_are_the_same_bytes() -> None:
    assert len({case.data for case in CASES.values()}) == len(CASES)


def test_file_names_are_kebab_case() -> None:
    assert [name for name in CASES if not re.fullmatch(r"(?:in)?valid/published/[a-z0-9]+(?:-[a-z0-9]+)+", name)] == []
