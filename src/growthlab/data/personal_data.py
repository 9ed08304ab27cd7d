"""What tells who a person is (e-mail, phone, name, address, IP, free text), by name and content."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from growthlab.core.ids import MISSING
from growthlab.data import personal_words as words

MANY = 0.5  # the share of cells that must have the form of a phone number or an IP address
NAMES = 0.4  # of cells with a usual given name: the list holds only some
SENTENCES = 0.3

_E_MAIL = re.compile(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)*\.([^\W\d_]{2,})")
_CODED_PHONE = re.compile(r"(?<![\w+])(?:\+|00)[1-9][\d ().\-/]{6,18}\d(?![\w-])")
_PHONES = tuple(
    re.compile(form)
    for form in (
        r"(?:1[ .-]?)?\(\d{3}\) ?\d{3}[ .-]\d{4}|(?:1[ .-])?[2-9]\d{2}([ .-])[2-9]\d{2}\1\d{4}",
        r"(?!\d\d[./-]\d\d[./-]\d{4})\(?0[1-9]\d{0,4}\)?(?:[ /.-]{1,3}\d{2,8}){1,5}",  # 06 12 34 56 78
        r"[6789]\d{2}(?: \d{2}){3}",  # 612 34 56 78; 612 345 678 may be an amount
        r"1[3-9]\d[ -]\d{4}[ -]\d{4}",  # 138 1234 5678
    )
)
_CHINESE_MOBILE = re.compile(r"1[3-9]\d{9}")
_HASH = re.compile(r"[0-9a-fA-F]{32,}|[A-Za-z0-9+/_-]{43}=?|.*\*\*.*")  # or masked
_LETTER = re.compile(r"[^\W\d_]")
_CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_SCRIPTS = re.compile(rf"(?<=[A-Za-z])(?={_CJK.pattern})|(?<={_CJK.pattern})(?=[A-Za-z])")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class PersonalData(NamedTuple):
    """Which personal data a column holds, and whether its ``name`` or its ``content`` says so."""

    kind: str
    evidence: str


def personal_data(name: str, texts: Iterable[str | None]) -> PersonalData | None:
    """The personal data in a column of this name with these cells; None: none.

    Some hundred cells are enough. Kinds are ``e-mail``, ``phone``, ``person's name``, ``address``,
    ``IP address`` and ``free text``.
    One e-mail address or phone number with its country's code is enough. A name alone is not: cells
    must be able to hold what it says, so that ``email_consent`` with yes and no, or a hash, is none.
    An IP address without its last part, a postcode and a city are none.

    >>> personal_data("contact", ["anna@example.com"])
    PersonalData(kind='e-mail', evidence='content')
    >>> personal_data("Vorname", ["Ute", None]).kind, personal_data("email", ["yes", "no"])
    ("person's name", None)
    """
    said = name_of_words(name)
    cells = [unicodedata.normalize("NFKC", t).strip() for t in texts if t is not None]
    cells = [
        t for t in dict.fromkeys(cells) if t not in MISSING and t.casefold() not in words.FLAGS
    ]
    cells = [t for t in cells if not _HASH.fullmatch(t)]
    if not cells:
        return None
    return next((found for found, holds in _TESTS.items() if holds(cells, said)), None)


def name_of_words(name: str) -> str:
    """The name of a column as words in lower case without accents and signs, a blank around each.

    >>> name_of_words("customerEmail"), name_of_words("Straße_2"), name_of_words("Prénom")
    (' customer email ', ' strasse ', ' prenom ')
    """
    spaced = _CAMEL.sub(" ", unicodedata.normalize("NFKC", name).replace("ß", "ss"))
    plain = "".join(_without_accent(c) for c in _SCRIPTS.sub(" ", spaced))
    letters = re.sub(r"[\W\d_]+", " ", plain).casefold()
    return f" {letters.strip()} "


def _without_accent(letter: str) -> str:
    """A Latin letter without what stands above or below it; any other sign as it is."""
    first = unicodedata.normalize("NFD", letter)[0]
    return first if first.isascii() else letter


def _says(said: str, phrases: Iterable[str]) -> bool:
    """Whether a name holds one of the phrases; Chinese and Japanese ones within a word too."""
    return any(p in said if _CJK.search(p) else f" {p} " in said for p in phrases)


def _share(cells: Sequence[str], is_one: Callable[[str], object]) -> float:
    return sum(bool(is_one(cell)) for cell in cells) / len(cells)


def _has_e_mail(cells: Sequence[str], said: str) -> bool:
    endings = (m[1].casefold() for cell in cells for m in _E_MAIL.finditer(cell))
    return any(ending not in words.FILE_ENDINGS for ending in endings)


def _has_phones(cells: Sequence[str], said: str) -> bool:
    coded = (m.group() for cell in cells for m in _CODED_PHONE.finditer(cell))
    if any(text.startswith("+") and 9 <= _n_digits(text) <= 15 for text in coded):
        return True
    prefixes = {cell[:3] for cell in cells}
    if len(prefixes) > 2 and all(_CHINESE_MOBILE.fullmatch(cell) for cell in cells):
        return True  # numbers that count up begin alike
    return _share(cells, _is_phone) >= MANY


def _is_phone(cell: str) -> bool:
    written = any(form.fullmatch(cell) for form in _PHONES) or (
        _CODED_PHONE.fullmatch(cell) and not cell.isdigit()
    )
    return bool(written) and 9 <= _n_digits(cell) <= 15


def _n_digits(text: str) -> int:
    return sum(c.isdigit() for c in text)


def _has_ips(cells: Sequence[str], said: str) -> bool:
    return not _says(said, words.OF_GOODS) and _share(cells, _is_full_ip) >= MANY


def _is_full_ip(cell: str) -> bool:
    """Whether a cell holds a whole IP address, the first of a list of them, with a port or not."""
    text = re.sub(r"^\[(.+)\](:\d+)?$", r"\1", cell.split(",")[0].strip())
    if text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    hidden = 8 if address.version == 4 else 64  # bits that analytics tools set to zero
    return int(address) % 2**hidden != 0


def _has_names(cells: Sequence[str], said: str) -> bool:
    if _says(said, words.OF_GOODS):
        return False
    return _share(cells, _has_given_name) >= NAMES or (
        len(cells) > 2 and _share(cells, _is_eastern_name) >= 0.8
    )


def _has_given_name(cell: str) -> bool:
    parts = name_of_words(cell).split()
    is_name = 2 <= len(parts) <= 4 and not re.search(r"[\d_@/:]", cell)
    return is_name and any(part in words.GIVEN_NAMES for part in parts)


def _is_eastern_name(cell: str) -> bool:
    letters = cell.replace(" ", "").replace("\u3000", "")
    if not all(_CJK.match(c) for c in letters):
        return False
    return (len(letters) in (2, 3) and letters[0] in words.SURNAMES) or (
        3 <= len(letters) <= 5 and letters[:2] in words.SURNAMES_OF_TWO
    )


def _has_sentences(cells: Sequence[str], said: str) -> bool:
    return _share(cells, _is_sentence) >= SENTENCES


def _is_sentence(cell: str) -> bool:
    if len(_CJK.findall(cell)) >= 12 and re.search(r"[。!?,、]", cell):
        return True
    parts = name_of_words(cell).split()
    return len(parts) >= 6 and sum(part in words.FUNCTION_WORDS for part in parts) >= 2


def _named_e_mail(cells: Sequence[str], said: str) -> bool:
    return _says(said, words.E_MAIL) and any(re.search(r"@|\(at\)", cell) for cell in cells)


def _named_phone(cells: Sequence[str], said: str) -> bool:
    def may_be(cell: str) -> bool:
        return bool(re.fullmatch(r"[+\d][\d ().\-/]{5,20}|\(\d[\d ().\-/]+", cell)) and (
            7 <= _n_digits(cell) <= 15
        )

    return _says(said, words.PHONE) and _share(cells, may_be) >= MANY


def _named_person(cells: Sequence[str], said: str) -> bool:
    named = _says(said, words.PERSON) or said.strip() in words.PERSON_ALONE
    return named and not _says(said, words.OF_GOODS) and _share(cells, _LETTER.search) >= MANY


def _named_address(cells: Sequence[str], said: str) -> bool:
    if _says(said, words.OF_GOODS) or _says(said, (*words.E_MAIL, "ip", "mac", "web")):
        return False
    return _says(said, words.ADDRESS) and _share(cells, _LETTER.search) >= MANY


def _named_text(cells: Sequence[str], said: str) -> bool:
    def is_text(cell: str) -> bool:
        return len(name_of_words(cell).split()) > 2 or len(_CJK.findall(cell)) > 5

    return _says(said, words.TEXT) and any(is_text(cell) for cell in cells)


_TESTS: dict[PersonalData, Callable[[Sequence[str], str], bool]] = {
    PersonalData("e-mail", "content"): _has_e_mail,
    PersonalData("phone", "content"): _has_phones,
    PersonalData("IP address", "content"): _has_ips,
    PersonalData("person's name", "content"): _has_names,
    PersonalData("e-mail", "name"): _named_e_mail,
    PersonalData("phone", "name"): _named_phone,
    PersonalData("person's name", "name"): _named_person,
    PersonalData("address", "name"): _named_address,
    PersonalData("free text", "name"): _named_text,
    PersonalData("free text", "content"): _has_sentences,
}
