"""The encoding, separator and header of a table, told from its beginning."""

from __future__ import annotations

import pytest

from growthlab.core.errors import DataError
from growthlab.core.table_text import text_format

CHINESE = (
    "用户ID,商品ID,行为类型,时间,金额\n张三,苹果,浏览,2024-01-01,1\n李四,香蕉,购买,2024-01-02,2\n"
)


@pytest.mark.parametrize(
    ("codec", "found"),
    [
        ("utf-8", "utf-8-sig"),
        ("utf-8-sig", "utf-8-sig"),
        ("gb18030", "gb18030"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
    ],
)
def test_a_chinese_table_is_read_in_each_encoding(codec: str, found: str) -> None:
    text = text_format(CHINESE.encode(codec))
    assert (text.encoding, text.names[0], text.separator) == (found, "用户ID", ",")


def test_a_western_table_is_not_taken_for_a_chinese_one() -> None:
    text = text_format("name;préférence\nJosé;née à Zürich\nÉmile;à où\n".encode("cp1252"))
    assert (text.encoding, text.separator, text.names) == ("cp1252", ";", ("name", "préférence"))


def test_the_beginning_may_end_within_a_letter() -> None:
    whole = ("用户,x\n" * 100).encode()
    assert text_format(whole[:-5], is_whole=False).encoding == "utf-8-sig"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_beside_the_others(separator: str) -> None:
    rows = [["id", "words", "price"], ["1", '"a,b;c|d"', "1.5"], ["2", "a", "2"]]
    text = text_format("\n".join(separator.join(row) for row in rows).encode())
    assert (text.separator, text.n_columns) == (separator, 3)


def test_quoted_line_breaks_do_not_end_a_row() -> None:
    text = text_format(b'user,note\nu,"a\nb\nc"\nv,"d\n"\n')
    assert (text.separator, text.n_columns) == (",", 2)


def test_a_first_row_of_values_is_no_header() -> None:
    text = text_format(b"1,2268318,2333346,pv,1511544070\n1,2333346,2520771,pv,1511561733\n")
    assert (text.header, text.names) == (None, ("1", "2", "3", "4", "5"))


def test_comments_before_the_header_are_skipped() -> None:
    text = text_format(b"# exported\n# by, us\nuser,item\nu,a\n")
    assert (text.n_skipped, text.names) == (2, ("user", "item"))


@pytest.mark.parametrize("header", ["a,b", "a,b,"])
def test_a_separator_at_the_end_of_every_row_makes_no_column(header: str) -> None:
    text = text_format(f"{header}\n1,2,\n3,4,\n".encode())
    assert (text.names, text.ends_in_separator) == (("a", "b"), True)


def test_a_named_column_that_is_empty_stays() -> None:
    text = text_format(b"a,b,note\n1,2,\n3,4,\n")
    assert (text.n_columns, text.ends_in_separator) == (3, False)


def test_padded_names_and_names_of_several_widths_are_tidied() -> None:
    assert text_format(" user , ｉｔｅｍ\nu,a\n".encode()).names == ("user", "item")


def test_what_is_given_is_taken() -> None:
    given = text_format(b"1;2\n3;4\n", header=True, separator=";")
    assert given.names == ("1", "2")
    with pytest.raises(DataError, match="there is no encoding klingon"):
        text_format(b"a,b\n", encoding="klingon")
    with pytest.raises(DataError, match="not encoded in utf-8"):
        text_format("é,b\n".encode("cp1252"), encoding="utf-8")
    with pytest.raises(DataError, match="No columns"):
        text_format(b"")
