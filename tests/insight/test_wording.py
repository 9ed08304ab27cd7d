"""The words of the page: every one in both languages, and no English left on the Chinese page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.insight.conftest import SECTIONS, sections
from tests.pages.page_reader import read_page

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import ReportTable
from growthlab.insight.goals import read_goals
from growthlab.insight.report.growth_report import GrowthReport, build_report
from growthlab.insight.report.wording import LANGUAGES, WORDS, Wording, check_language
from growthlab.insight.report_scope import ReportScope

TABLES = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in WORDS.glob("*.yaml")}
HAN = re.compile("[\u4e00-\u9fff]")
# what may stand in Latin letters on the Chinese page: names of methods, files, options and fields
KEPT = re.compile(
    r"`[^`]*`|\S+\.parquet|[\w.]+=\S*|\w+(?:\.\w+)+|\w+_\w+|RFM|GMV|ARPU|UTC|BG/NBD|Gamma-Gamma|BIC|p 值|q 值"
    r"|acquisition|birthday|Benjamini-Hochberg|Lookalike|Parquet|growthlab \w+|ln\(1|k_means|EUR|Q\d"
)
GOALS = [
    {"metric": "buyers", "target": 130, "unit": "customers", "deadline": "2026-01-01"},
    {"metric": "active_users", "target": 9000, "unit": "customers", "deadline": "2025-12-01"},
    {"metric": "repeat_buyer_share", "target": 1.5, "unit": "share", "deadline": "2025-12-01"},
    {"metric": "net_sales", "target": 90, "unit": "EUR", "deadline": "2025-02-01"},
    {
        "metric": "buyers",
        "target": 90,
        "unit": "customers",
        "deadline": "2025-12-01",
        "segment": "rfm=champions",
    },
]


@pytest.fixture(scope="module")
def chinese(shop: EventLog) -> GrowthReport:
    """Every section and some goals, in Chinese."""
    scope = ReportScope.of(shop, min_group=10, currency="EUR")
    return build_report("商店", scope, sections(*SECTIONS), read_goals(GOALS, "EUR"), language="zh")


def slots(text: str) -> list[str]:
    """The names in braces."""
    return sorted(set(re.findall(r"\{(\w+)\}", text)))


@pytest.mark.parametrize("name", ["names", "phrases"])
def test_every_word_is_there_in_every_language(name: str) -> None:
    for key, entry in TABLES[name].items():
        assert len(entry) == len(LANGUAGES), key
        assert all(isinstance(text, str) and text for text in entry) or key == "sentence_space", key
        assert len({tuple(slots(text)) for text in entry}) == 1, key


def test_every_label_and_text_has_a_translation_with_the_same_slots() -> None:
    labels = TABLES["labels"]
    for key, entry in (labels["words"] | labels["anywhere"]).items():
        assert len(entry) == len(LANGUAGES), key
    for english, translated in TABLES["texts"].items():
        assert slots(english) == slots(translated), english
        assert HAN.search(re.sub(r"\{\w+\}", "", translated)) or english in (
            "0 and 1",
            "0 and 100 percent",
        ), english


def test_every_phrase_that_the_page_asks_for_is_in_the_table_and_none_is_left_over() -> None:
    source = "".join(path.read_text() for path in Path(WORDS).parent.glob("*.py"))
    unused = [key for key in TABLES["phrases"] if f'"{key}"' not in source]
    assert unused == []


def words_of(table: ReportTable) -> list[str]:
    """The English texts of a table."""
    plots = [plot.title for plot in table.plots]
    definitions = [column.definition for column in table.columns.values()]
    return [text for text in (table.title, table.note, *plots, *definitions) if text]


@pytest.mark.parametrize("section", [*SECTIONS, "goals"])
def test_every_text_of_a_section_is_translated(chinese: GrowthReport, section: str) -> None:
    words = Wording("zh")
    (part,) = [part for part in chinese.parts if part.name == section]
    texts = [part.title, part.chapter, *part.findings.notes]
    for table in part.findings.tables:
        texts += words_of(table)
        for language in LANGUAGES:
            assert len({Wording(language).name(n) for n in table.columns}) == len(table.columns)
        names = set(table.columns) - set(TABLES["names"])
        assert not names, "add them to report/words/names.yaml"
    assert [text for text in texts if not HAN.search(words.text(text))] == [], (
        "add them to report/words/texts.yaml"
    )


def test_no_english_is_left_on_the_chinese_page(chinese: GrowthReport) -> None:
    reader = read_page(chinese.as_html())
    data = {
        str(value)
        for table in chinese.report_tables
        for name, column in table.columns.items()
        if column.unit == "label" and name not in TABLES["labels"]["columns"]
        for value in table.rows[name].unique()
        if len(str(value)) > 2
    }
    style = re.compile(r"[{}]")
    texts = [text.strip() for text in reader.texts if not style.search(text)]
    left = []
    for text in texts:
        for value in sorted(data, key=len, reverse=True):
            text = text.replace(value, "")
        if re.search("[A-Za-z]{2,}", KEPT.sub("", text)):
            left.append(text)
    assert left == []
    assert ("lang", "zh") in reader.attributes


def test_the_english_page_has_words_and_no_identifiers(shop_report: GrowthReport) -> None:
    body = shop_report.as_html().partition("<body")[2].replace("<wbr>", "")
    heads = re.findall(r"<th[^>]*>([^<]*)</th>", body)
    assert heads
    known = {name for table in shop_report.report_tables for name in table.columns if "_" in name}
    assert known.isdisjoint(heads)
    assert 'title="active_users"' in body


def test_a_text_with_slots_is_translated_part_by_part() -> None:
    words = Wording("zh")
    assert words.text("Cohorts from 2025-01-31 on.") == "仅含 2025-01-31 起的同期群。"
    assert words.text("By month") == "按月"
    both = "Cohorts from 2025-01-31 on. Purchases of one day count once."
    assert words.text(both) == "仅含 2025-01-31 起的同期群。同一天的多次购买计为一次。"
    assert words.text("July 2025") == "2025年7月"


def test_what_has_no_translation_stays_as_it_is() -> None:
    words = Wording("zh")
    assert words.text("A new section says this") == "A new section says this"
    assert words.name("a_new_figure") == "a new figure"
    assert words.label("item_id", "new tea") == "new tea"
    # texts of the data, as their columns have no words of ours
    assert words.label("category", "gold") == "gold"
    assert words.label("region", "new") == "new"
    assert words.label("region", "(none)") == "（无）"


def test_names_of_figures_in_texts_are_in_words() -> None:
    english = Wording().text("returning_buyers / buyers, see `growth_by_month`.")
    assert english == "returning buyers / buyers, see `growth_by_month`."


def test_an_unknown_language_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"report.language=fr: possible: en, zh"):
        check_language("fr")
