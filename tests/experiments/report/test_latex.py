"""The table for a paper."""

import pytest

from experiments.report.latex_text import escape


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a_b 5% & #1 $x {y}", r"a\_b 5\% \& \#1 \$x \{y\}"),
        (
            "<a> ~^\\",
            r"\textless{}a\textgreater{} \textasciitilde{}\textasciicircum{}\textbackslash{}",
        ),
        ("ρ = 0.9 ± 1 – −2", r"$\rho$ = 0.9 $\pm$ 1 -- $-$2"),
    ],
)
def test_latex_prints_text_as_it_stands(text: str, printed: str) -> None:
    assert escape(text) == printed
