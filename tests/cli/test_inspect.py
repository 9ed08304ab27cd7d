"""growthlab inspect: fourteen exports are read as it says, and nothing in a file can write into its yaml."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.data.inspect_shapes import SHAPES, Event, Shape

from growthlab.cli.main import main
from growthlab.config.compose import compose
from growthlab.core.plain_yaml import read_plain_yaml
from growthlab.data.event_log import EventLog
from growthlab.data.inspect import column_names, event_words
from growthlab.data.inspect.settings_yaml import settings_yaml
from growthlab.data.tabular_file import TabularFile

OWN_DATA = Path(__file__).parents[2] / "docs" / "own_data.md"
ROW = re.compile(r"\| ([^|]+) \| `growthlab inspect ([^`]+)` \| ([^|]+) \| ([^|]+) \|")
SMALL = "user_id,item_id,event_type,timestamp\nu1,a,view,2024-05-01\nu2,b,purchase,2024-05-02\n"
Inspect = Callable[..., dict[str, Any]]


@pytest.fixture
def inspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inspect:
    """Runs the command in an empty folder; the settings of the yaml that it wrote."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **files: str) -> dict[str, Any]:
        for name, text in files.items():
            Path(f"{name}.csv").write_text(text)
        assert main(["inspect", *(words or [f"{name}.csv" for name in files])]) == 0
        (written,) = Path("conf/data").glob("*.yaml")
        content: dict[str, Any] = read_plain_yaml(written)
        assert content.pop("defaults") == ["tabular_file", "_self_"]
        return content

    return run


def mistake(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 2
    lines = capsys.readouterr().err.splitlines()
    (line,) = [line for line in lines if line.startswith("growthlab: ")]
    return line.removeprefix("growthlab: ")


def events_of(log: EventLog, columns: str) -> list[Event]:
    rows = log._execute(f"SELECT {columns} FROM events ORDER BY ALL").fetchall()
    return [tuple(_shown(cell) for cell in row) for row in rows]


def by_customer(events: Iterable[Event]) -> list[list[Event]]:
    """The events of each customer, whatever customers are called."""
    customers: dict[Any, list[Event]] = {}
    for user, *rest in events:
        customers.setdefault(user, []).append(tuple(rest))
    return sorted(customers.values(), key=repr)


def _shown(cell: Any) -> Any:
    return cell.isoformat(" ").removesuffix("000") if isinstance(cell, datetime) else cell


def documented() -> dict[str, tuple[str, str]]:
    """The shapes of docs/own_data.md: what is typed, and what is to be edited."""
    rows = ROW.findall(OWN_DATA.read_text())
    return {re.sub(r"\W+", "_", name.lower()): (typed, edit) for name, typed, _, edit in rows}


@pytest.mark.parametrize("name", SHAPES)
def test_an_export_is_read_by_the_yaml_as_it_was_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape: Shape = SHAPES[name]
    monkeypatch.chdir(tmp_path)
    shape.write(tmp_path)
    typed, edit = documented()[name]
    paths = [
        path
        for word in shlex.split(typed)
        for path in sorted(map(str, Path().glob(word))) or [word]
    ]
    assert main(["inspect", *paths]) == 0
    (written,) = Path("conf/data").glob("*.yaml")
    assert edit == "nothing"
    assert main(["prepare", f"data={written.stem}"]) == 0
    (folder,) = [file.parent for file in Path(".growthlab").glob("*/log.json")]
    log = EventLog.open(folder)
    assert by_customer(events_of(log, shape.columns)) == by_customer(shape.events)
    settings = {k: v for k, v in read_plain_yaml(written).items() if k != "defaults"}
    users = set(TabularFile(**settings).read().to_pandas()["user_id"])
    assert {user for user, *_ in shape.events} <= users  # before they get pseudonyms
    if shape.items:
        assert log.items is not None
        items = log.items.reindex(columns=["item_id", "text", "category"])
        assert [tuple(r) for r in items.astype(object).where(items.notna(), None).values] == list(
            shape.items
        )


def test_the_document_has_all_fourteen_shapes() -> None:
    assert set(documented()) == set(SHAPES)
    assert len(SHAPES) == 14


def test_a_comparison_takes_the_same_name(inspect: Inspect) -> None:
    inspect(shop=SMALL)
    config = compose("compare", ["data=shop"]).config
    assert (config.data.path, config.data.columns.user_id) == ("shop.csv", "user_id")
    assert config.data._target_ == "growthlab.data.tabular_file.TabularFile"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (
            "Kundennr;Artikelnr;Aktion;Zeitpunkt;Menge;Preis;Bestellnr\n"
            "K1;A1;angesehen;01.05.2024 10:00;;;\nK1;A1;gekauft;14.05.2024 10:06;2;1.234,50 €;B9\n",
            "Kundennr Artikelnr Aktion Zeitpunkt Menge Preis Bestellnr",
        ),
        (
            "ID client;Réf produit;Événement;Date commande;Quantité;Prix unitaire;N° commande\n"
            "C1;P1;vue;01/05/2024 10:00;;;\nC1;P1;achat;14/05/2024 10:06;2;1234,50;F9\n",
            "ID_client Réf_produit Événement Date_commande Quantité Prix_unitaire N°_commande",
        ),
        (
            "ID cliente,Código producto,Evento,Fecha,Cantidad,Precio,Nº pedido\n"
            'C1,P1,vista,2024-05-01 10:00,,,\nC1,P1,compra,2024-05-14 10:06,2,"1.234,50",F9\n',
            "ID_cliente Código_producto Evento Fecha Cantidad Precio Nº_pedido",
        ),
        (
            "会員番号,商品コード,行動,日時,数量,価格,注文番号\n"
            'M1,G1,閲覧,2024/05/01 10:00,,,\nM1,G1,購入,2024/05/14 10:06,2,"1,234.50円",F9\n',
            "会員番号 商品コード 行動 日時 数量 価格 注文番号",
        ),
        (
            "用户编号,商品编号,事件,下单时间,数量,单价,订单号\n"
            'M1,G1,浏览,2024年05月01日 10:00,,,\nM1,G1,下单,2024年05月14日 10:06,2,"¥1,234.50",F9\n',
            "用户编号 商品编号 事件 下单时间 数量 单价 订单号",
        ),
        (
            "Customer Number,SKU,Action,Order Date,Qty,Unit Price,Order No\n"
            "C1,P1,Viewed,5/1/2024 10:00 AM,,,\n"
            'C1,P1,Order Placed,5/14/2024 10:06 AM,2,"$1,234.50",F9\n',
            "Customer_Number SKU Action Order_Date Qty Unit_Price Order_No",
        ),
    ],
    ids=["de", "fr", "es", "ja", "zh", "en"],
)
def test_names_words_times_and_amounts_of_six_languages(
    text: str, columns: str, inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = inspect(shop=text)
    ours = ["user_id", "item_id", "event_type", "timestamp", "quantity", "unit_price", "order_id"]
    assert settings["columns"] == {
        o: c.replace("_", " ") for o, c in zip(ours, columns.split(), strict=True)
    }
    shown = capsys.readouterr().out
    assert "user 1      P1   purchase 2024-05-14 10:06:00       2.0      1234.5" in shown.replace(
        "G1", "P1"
    ).replace("A1", "P1")


@pytest.mark.parametrize("module", [column_names.EVENTS, column_names.ITEMS])
def test_names_in_the_tables_are_plain_and_stand_once(module: dict[str, tuple[str, ...]]) -> None:
    for names in module.values():
        assert [column_names.plain_name(n) for n in names] == list(names)
        assert len(set(names)) == len(names)


def test_words_in_the_tables_are_plain_and_mean_one_thing() -> None:
    words = {**event_words.EVENT_WORDS, **event_words.STATUS_WORDS}
    assert [event_words.plain_word(w) for w in words] == list(words)
    assert not set(event_words.EVENT_WORDS) & event_words.NO_EVENT


def test_nothing_that_a_file_holds_becomes_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "a: b\n# @package model\nseed: 3 #'\"{[.csv"
    user, word = "user: id\n_target_: os.system", "view\ndefaults: [../../x]\n#"
    pd.DataFrame({user: ["u"], "item_id": ["i"], "event_type": [word]}).to_csv(name, index=False)
    Path("shop.csv").write_text(SMALL)
    assert main(["inspect", "shop.csv", name, "name=shop"]) == 0
    text = Path("conf/data/shop.yaml").read_text()
    content = read_plain_yaml(Path("conf/data/shop.yaml"))
    assert set(content) == {"defaults", "path", "columns", "items_path", "item_columns"}
    assert content["items_path"] == name
    assert [line for line in text.splitlines() if line.startswith("# @")] == ["# @package data"]
    assert compose("prepare", ["data=shop"]).config.data.items_path == name


def test_signs_in_names_and_words_are_read_back_as_they_are(inspect: Inspect) -> None:
    settings = inspect(
        **{"x": '"user: id","Item # \'1\'",event\n"- u",null,"[view]: {a}"\nu2,~,purchase\n'},
    )
    assert settings["columns"]["event_type"] == "event"
    assert settings["event_types"] == {"[view]: {a}": None}
    assert settings["columns"]["item_id"] == "Item # '1'"


def test_what_yaml_reads_otherwise_is_written_in_quotes() -> None:
    settings = {"columns": {"user_id": "yes", "item_id": "null", "query": "1e3", "position": "0x1"}}
    settings["event_types"] = {"1": "view", "no": None, "~": None, "2024-05-01": "cart"}
    written = settings_yaml(
        settings, {"": ["@package model", "x\n@y: 1"], "doubtful": ["\x85a: 1"]}
    )
    lines = written.splitlines()
    assert [line for line in lines if line.startswith("# @")] == ["# @package data"]
    assert all(line.startswith("#") for line in lines if "x" in line and "0x1" not in line)


def test_a_column_that_a_config_cannot_name_is_left_out_and_a_file_is_refused(
    inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = inspect(shop=SMALL.replace("timestamp", "${oc.env:HOME} time"))
    assert set(settings["columns"]) == {"user_id", "item_id", "event_type"}
    Path("${x}.csv").write_text(SMALL)
    assert "looked up elsewhere" in mistake(capsys, "inspect", "./${x}.csv")


def test_a_yaml_that_is_there_stays_unless_told(
    inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    inspect(shop=SMALL)
    own = Path("conf/data/shop.yaml")
    own.write_text("path: mine.csv\n")
    assert "already there: say overwrite=true" in mistake(capsys, "inspect", "shop.csv")
    assert own.read_text() == "path: mine.csv\n"
    assert inspect("shop.csv", "overwrite=true")["path"] == "shop.csv"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("umläut (2024).csv", "umläut_2024"),
        ("数据.csv", "数据"),
        ("tabular_file.csv", "tabular_file_file"),
        ("2024-05.csv", "2024-05_file"),
        ("null.csv", "null_file"),
        ("x.csv", "x"),
        ("y.csv", "y_file"),
        ("a,b=#.csv", "a_b"),
    ],
)
def test_a_name_is_made_of_that_of_the_file(file: str, name: str, inspect: Inspect) -> None:
    Path(file).write_text(SMALL)
    assert inspect(file)["path"] == file
    assert Path(f"conf/data/{name}.yaml").exists()
    assert compose("prepare", [f"data={name}"]).config.data.path == file


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "inspect needs the files: growthlab inspect orders.csv"),
        (["orders.csv"], "paths=orders.csv: there is no such file: did you mean order.csv"),
        (["empty.csv"], "empty.csv has no rows below its header"),
        (["items.csv"], "no table of events was found"),
        (["order.csv", "name=../x"], "name=../x must be letters, digits, - and _"),
        (["order.csv", "nme=x"], "nme"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("order.csv").write_text(SMALL)
    Path("empty.csv").write_text("user_id,item_id\n")
    Path("items.csv").write_text("item_id,name\na,Tea\nb,Cup\n")
    assert message in mistake(capsys, "inspect", *words)
    assert not Path("conf").exists()


def test_who_a_person_is_stands_nowhere_in_the_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.csv").write_text(
        "customer_id,email,query,event,time\n13812345678,anna@example.com,anna@example.com,search,2024-05-01\n"
    )
    Path("people.csv").write_text("customer_id,Vorname\n13812345678,Anneliese\n")
    assert main(["inspect", "shop.csv", "people.csv"]) == 0
    text = Path("conf/data/shop.yaml").read_text()
    assert "email (e-mail, not read), query (e-mail, query is dropped)" in text
    assert "Vorname (person's name, dropped)" in text
    settings = read_plain_yaml(Path("conf/data/shop.yaml"))
    assert settings["personal_data"] == {"query": "drop", "Vorname": "drop"}
    assert settings["users_path"] == "people.csv"
    assert main(["prepare", "data=shop"]) == 0
    for person in ("13812345678", "anna@", "Anneliese"):
        assert person not in text + capsys.readouterr().out


def test_days_and_months_are_told_by_the_order_of_the_rows(inspect: Inspect) -> None:
    # as %d/%m/%Y the third row would be before the second
    rows = ["01/02/2024", "01/11/2024", "02/03/2024", "02/10/2024"]
    settings = inspect(shop="user,item,date\n" + "".join(f"u,i,{day}\n" for day in rows))
    assert settings["timestamp_format"] == "%m/%d/%Y"


def test_rows_without_a_word_and_words_without_items_are_dropped(inspect: Inspect) -> None:
    settings = inspect(
        shop="user_id,item_id,event,time\nu,a,view_item,2024-05-01\nu,,page_view,2024-05-01\n"
        "u,,,2024-05-02\nu,a,teleported,2024-05-03\n"
    )
    expected = {"view_item": "view", "page_view": None, "teleported": None, "(none)": None}
    assert settings["event_types"] == expected
    assert "coalesce(\"event\", '(none)') AS event_type" in settings["sql"]


def test_a_line_without_an_order_takes_nothing_from_others(inspect: Inspect) -> None:
    settings = inspect(
        shop="user_id,item_id,event,time,order_id\nu,a,,2024-05-01,\nu,a,view,2024-05-01,\n"
        "u,a,purchase,2024-05-02,o1\n"
    )
    assert settings["event_types"] == {"(none)": None}
    assert "OVER" not in settings["sql"]


def test_columns_of_unknown_names_are_told_by_their_cells(inspect: Inspect) -> None:
    settings = inspect(
        shop="kid,pid,was,wann\nk1,p1,gekauft,2024-05-01 10:00\nk2,p1,angesehen,2024-05-02 11:00\n"
    )
    expected = {"user_id": "kid", "item_id": "pid", "event_type": "was", "timestamp": "wann"}
    assert settings["columns"] == expected


def test_a_year_may_be_a_price(inspect: Inspect) -> None:
    settings = inspect(shop="user,item,price,date\nu,a,1999,2024-05-01\nu,b,2010,2024-05-02\n")
    assert settings["columns"]["unit_price"] == "price"


def test_what_cannot_be_read_and_how_numbers_are_written_is_said(
    inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = inspect(shop="user;item;date;price\nu;a;next Tuesday;1.234,50\nu;b;soon;12,00\n")
    assert set(settings["columns"]) == {"user_id", "item_id", "unit_price"}
    said = capsys.readouterr().out
    assert "timestamp: date may be it, but has cells that cannot be read as such" in said
    assert "the decimal sign is ,, . stands between thousands" in said


def test_a_day_says_no_zone(inspect: Inspect, capsys: pytest.CaptureFixture[str]) -> None:
    inspect(shop="user,item,date,price\nu,a,2024-05-01,1\n")
    assert "timezone: the times say no zone" in capsys.readouterr().out


def test_ratings_without_a_header_are_reviews(inspect: Inspect) -> None:
    rows = [f"{196 + n}\t{242 - n}\t{1 + n % 5}\t{881250949 + n}" for n in range(12)]
    settings = inspect(u="\n".join(rows) + "\n")
    assert settings["columns"] == {"user_id": "1", "item_id": "2", "timestamp": "4", "rating": "3"}
    assert settings["event_type"] == "review"


def test_users_come_first_where_no_item_was_seen_by_two(inspect: Inspect) -> None:
    # the second column tells the first, as it does an item's category, the third
    rows = [f"{n % 3},{n // 2 * 3 + n % 3},{n % 3 + 10},pv,{1511544070 + n}" for n in range(12)]
    settings = inspect(log="\n".join(rows) + "\n")
    assert (settings["columns"]["user_id"], settings["columns"]["item_id"]) == ("1", "2")


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("product_views", "view"),
        ("returns-2024", "return"),
        ("carts", "cart"),
        ("orders", "purchase"),
        ("export", "purchase"),
        ("views_and_orders", "purchase"),
    ],
)
def test_where_nothing_else_says_what_happened_the_name_of_the_file_does(
    file: str, kind: str, inspect: Inspect
) -> None:
    rows = (
        "customer_id,product_id,order_id,date\nu,a,o1,2024-05-01 10:00\nv,b,o2,2024-05-02 11:00\n"
    )
    assert inspect(**{file: rows})["event_type"] == kind


def workbook(**sheets: pd.DataFrame) -> str:
    with pd.ExcelWriter("shop.xlsx") as book:
        for sheet, frame in sheets.items():
            frame.to_excel(book, sheet_name=sheet.replace("_", " "), index=False)
    return "shop.xlsx"


def test_the_sheets_of_a_workbook_with_the_same_columns_are_one_log(
    inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    years = {
        f"Year_{year}": pd.DataFrame(
            {"user_id": ["u1", "u2"], "item_id": ["a", "b"], "date": [f"2024-0{year}-01"] * 2}
        )
        for year in (1, 2)
    }
    about = pd.DataFrame({"about": ["the orders of two years"]})
    settings = inspect(workbook(Info=about, **years))
    assert settings["sheet"] == ["Year 1", "Year 2"]
    assert "sheet: what is read is Year 1, Year 2, and not Info" in capsys.readouterr().out
    assert TabularFile(**settings).read().n_events == 4
    assert main(["prepare", "data=shop"]) == 0
    assert main(["prepare", "data=shop", "data.sheet=[Year 2]"]) == 0
    assert TabularFile(**{**settings, "sheet": "Year 2"}).read().n_events == 2


def test_a_message_names_the_sheet_of_several(
    inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.DataFrame({"user_id": ["u1"], "item_id": ["a"], "timestamp": ["2024-05-01"]})
    path = workbook(old=frame, new=frame.assign(timestamp="soon"))
    read = ["prepare", "data=tabular_file", f"data.path={path}", "data.event_type=purchase"]
    assert "shop.xlsx, sheet new: row 1: " in mistake(capsys, *read, "data.sheet=[old,new]")
    assert "no sheet 'older' (data.sheet)" in mistake(capsys, *read, "data.sheet=[old,older]")
    assert "names a sheet twice" in mistake(capsys, *read, "data.sheet=[old,old]")
    assert "or several that are one log with a list" in mistake(capsys, *read)


VIEWS = (
    "visitor,product_id,viewed_at,device\n"
    "u1,a,2024-05-01 10:00:00,phone\nu1,b,2024-05-01 10:05:00,phone\nu2,a,2024-05-02 09:00:00,desk\n"
)
ORDERS = (
    "customer_id,order_id,sku,quantity,price,created_at\n"
    "u1,o1,b,2,9.5,2024-05-01 10:10:00\nu3,o2,c,1,3,2024-05-03 12:00:00\n"
)


def test_tables_with_different_events_are_one_log(
    inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = inspect(product_views=VIEWS, orders=ORDERS)
    assert settings["files"] == {"product_views": "product_views.csv", "orders_2": "orders.csv"}
    log = TabularFile(**settings).read()
    assert events_of(log, "user_id, item_id, event_type, timestamp, unit_price") == [
        ("u1", "a", "view", "2024-05-01 10:00:00", None),
        ("u1", "b", "purchase", "2024-05-01 10:10:00", 9.5),
        ("u1", "b", "view", "2024-05-01 10:05:00", None),
        ("u2", "a", "view", "2024-05-02 09:00:00", None),
        ("u3", "c", "purchase", "2024-05-03 12:00:00", 3.0),
    ]
    assert "none of the first customers" not in capsys.readouterr().out
    assert main(["prepare", "data=product_views"]) == 0


def test_a_click_stream_and_orders_with_their_lines_are_one_log(inspect: Inspect) -> None:
    settings = inspect(
        clicks=VIEWS.replace("device", "event").replace("phone", "cart").replace("desk", "view"),
        orders="order_id,customer_id,created_at\no1,u1,2024-05-01 10:10:00\n",
        order_lines="order_id,sku,quantity,price\no1,b,2,9.5\no1,a,1,4\n",
    )
    assert set(settings["files"]) == {"clicks", "orders", "lines"}
    log = TabularFile(**settings).read()
    assert events_of(log, "user_id, item_id, event_type, order_id") == [
        ("u1", "a", "cart", None),
        ("u1", "a", "purchase", "o1"),
        ("u1", "b", "cart", None),
        ("u1", "b", "purchase", "o1"),
        ("u2", "a", "view", None),
    ]


GERMAN_TIMES = ORDERS.replace("2024-05-01 10:10:00", "01.05.2024 10:10").replace(
    "2024-05-03 12:00:00", "03.05.2024 12:00"
)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        pytest.param("orders", GERMAN_TIMES, id="other times"),
        pytest.param("more_views", VIEWS.replace("device", "page"), id="the same events"),
    ],
)
def test_tables_that_do_not_fit_together_are_not_mixed(
    name: str, other: str, inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = inspect(**{"product_views": VIEWS, name: other})
    assert settings["path"] == "product_views.csv"
    assert f"{name}.csv (another table of events)" in capsys.readouterr().out


def test_customers_that_only_one_table_knows_are_doubtful(
    inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    inspect(product_views=VIEWS, orders=ORDERS.replace("u1", "c1"))
    assert "none of the first customers of orders.csv (customer_id)" in capsys.readouterr().out


SHOP_LINES = "Name,{},Created at,Lineitem sku,Lineitem quantity,Lineitem price\n" + "".join(
    f"#100{n},k{n % 3}{{}},2025-01-0{n} 10:00,s{n},{n % 3 + 1},2.5\n" for n in range(1, 7)
)


@pytest.mark.parametrize("name", ["Customer Email ID", "Shop Customer ID", "Buyer Key"])
def test_an_id_with_one_more_word_in_its_name_is_known(name: str, inspect: Inspect) -> None:
    settings = inspect(lines=SHOP_LINES.replace("{}", name, 1).replace("{}", ""))
    assert settings["columns"]["user_id"] == name
    assert settings["columns"]["order_id"] == "Name"
    assert settings["columns"]["quantity"] == "Lineitem quantity"
    assert settings["event_type"] == "purchase"


def test_small_quantities_are_no_event_types(
    inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = inspect(lines=SHOP_LINES.replace("{}", "Who", 1).replace("{}", ""))
    assert settings["columns"]["user_id"] == "Who"
    assert "event_type" not in settings["columns"]
    assert "names tell too little" in capsys.readouterr().out


def test_a_column_of_our_name_that_holds_something_else_is_not_read(inspect: Inspect) -> None:
    settings = inspect(
        shop="user_id,item_id,event_type,timestamp,position\nu,a,view,2024-05-01,top left\n"
    )
    assert settings["columns"]["position"] == "none"


def test_files_of_days_are_one_table_and_a_folder_of_tables_several(inspect: Inspect) -> None:
    folder = Path("export")
    folder.mkdir()
    for day in ("may1", "may2"):
        (folder / f"{day}.csv").write_text(SMALL)
    (folder / "products.csv").write_text("item_id,title\na,Tea\nb,Cup\n")
    settings = inspect("export")
    assert settings["path"] == ["export/may1.csv", "export/may2.csv"]
    assert settings["items_path"] == "export/products.csv"
    assert settings["item_columns"] == {"item_id": "item_id", "text": "title"}
    assert main(["prepare", "data=export"]) == 0
