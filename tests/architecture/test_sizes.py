"""Nothing grows past what one can read."""

from __future__ import annotations

from tests.architecture.tree import PACKAGES, ROOT, functions, name_of, python_files

FILE_WALL = 400
FUNCTION_WALL = 40


def test_no_python_file_is_longer_than_the_wall() -> None:
    sizes = {
        name_of(path): path.read_text().count("\n")
        for path in python_files(*PACKAGES, "tests", "bench")
    }
    assert {name: size for name, size in sizes.items() if size > FILE_WALL} == {}


def test_no_function_of_the_product_is_longer_than_forty_lines() -> None:
    long = [
        f"{name_of(path)}:{function.lineno} {function.name}"
        for path in python_files(*PACKAGES)
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_WALL
    ]
    assert long == []


def test_settings_and_conftest_stay_small() -> None:
    assert (ROOT / "fleet/settings.py").read_text().count("\n") <= 250
    assert (ROOT / "tests/conftest.py").read_text().count("\n") <= 150


def test_no_style_sheet_script_or_template_is_longer_than_its_wall() -> None:
    walls = {".css": 400, ".js": 300, ".html": 160}
    files = [*(ROOT / "static").rglob("*"), *(ROOT / "templates").rglob("*.html")]
    long = [
        name_of(path)
        for path in files
        if path.suffix in walls
        and "vendor" not in path.parts
        and path.read_text().count("\n") > walls[path.suffix]
    ]
    assert long == []
