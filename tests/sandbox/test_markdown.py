"""The page's markdown, run by node where there is one: what a card says must never become anything but text."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE = shutil.which("node")
MODULE = Path(__file__).parents[2] / "sandbox" / "pages" / "static" / "markdown.js"
SCRIPT = """
import { readFileSync } from "node:fs";
const { parse } = await import("data:text/javascript;base64," + readFileSync(process.argv[1]).toString("base64"));
const texts = JSON.parse(readFileSync(0));
process.stdout.write(JSON.stringify(texts.map(parse)));
"""
CASES: list[tuple[str, Any]] = [
    ("plain", [["p", "plain"]]),
    ("two\nlines", [["p", "two lines"]]),
    ("hard  \nbreak", [["p", "hard", ["br"], "break"]]),
    ("# Title", [["h4", "Title"]]),
    ("a **b** *c* _d_ `e*f`", [["p", "a ", ["strong", "b"], " ", ["em", "c"], " ", ["em", "d"], " ", ["code", "e*f"]]]),
    ("snake_case_name 2*3*4", [["p", "snake_case_name 2", ["em", "3"], "4"]]),
    (r"\*not\* \<b\> \_x\_", [["p", "*", "not", "*", " ", "<", "b", ">", " ", "_", "x", "_"]]),
    ("<script>x</script> &lt;b&gt;", [["p", "<script>x</script> ", "<", "b", ">"]]),
    ("[a **b**](https://x.example/y)", [["p", ["a", {"href": "https://x.example/y"}, "a ", ["strong", "b"]]]]),
    ("[x](javascript:alert(1))", [["p", ["span", "x"], ")"]]),
    ("[x](data:text/html,y)", [["p", ["span", "x"]]]),
    ("- a\n- b", [["ul", ["li", "a"], ["li", "b"]]]),
    ("1. a\n2. b", [["ol", ["li", "a"], ["li", "b"]]]),
    ("> quoted", [["blockquote", "quoted"]]),
    ("---", [["hr"]]),
    ("```\n*a*\n```", [["pre", "*a*"]]),
    (
        "| a | b |\n| --- | ---: |\n| 1 | x \\| y |\n\nafter",
        [
            [
                "table",
                ["thead", ["tr", ["th", {"scope": "col"}, "a"], ["th", {"scope": "col"}, "b"]]],
                ["tbody", ["tr", ["td", "1"], ["td", "x | y"]]],
            ],
            ["p", "after"],
        ],
    ),
    (
        "| a | b |\n| --- | --- |\n| 2026-10-16 | 2026-10-16 01:44 |\n| since 2026-10-16 | 2026 |",
        [
            [
                "table",
                ["thead", ["tr", ["th", {"scope": "col"}, "a"], ["th", {"scope": "col"}, "b"]]],
                [
                    "tbody",
                    ["tr", ["td", {"class": "date"}, "2026-10-16"], ["td", {"class": "date"}, "2026-10-16 01:44"]],
                    ["tr", ["td", "since 2026-10-16"], ["td", "2026"]],
                ],
            ],
        ],
    ),
    ("text\n- item", [["p", "text"], ["ul", ["li", "item"]]]),
    ("", []),
]


@pytest.fixture(scope="module")
def parsed() -> list[Any]:
    if NODE is None:
        pytest.skip("needs node")
    texts = json.dumps([text for text, _ in CASES])
    command = [NODE, "--input-type=module", "-e", SCRIPT, str(MODULE)]
    done = subprocess.run(command, input=texts, capture_output=True, text=True, check=True, timeout=30)
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("place", range(len(CASES)), ids=[text for text, _ in CASES])
def test_markdown_becomes_a_tree(parsed: list[Any], place: int) -> None:
    assert parsed[place] == CASES[place][1]
