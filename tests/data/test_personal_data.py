"""Personal data is found by the name of a column and by what its cells look like, and nothing else is."""

from __future__ import annotations

import pytest

from growthlab.data.personal_data import name_of_words, personal_data

CONTENT = {
    "e-mail": [
        ["anna@example.com"],
        ["where is my order, write to Jörg.Müller+shop@mail.example.co.uk please"],
        ["https://shop.example/reset?mail=anna%40x&to=anna@example.org", "/home", "/cart"],
    ],
    "phone": [
        ["+49 171 1234567", "+49 30 901820"],
        ["+14155550132"],
        ["(212) 555-0142", "415-555-0132", "212.555.0199"],
        ["030 901820-12", "0171/1234567"],
        ["06 12 34 56 78"],
        ["612 34 56 78"],
        ["090-1234-5678", "03-1234-5678"],
        ["020 7946 0958", "07700 900123"],
        ["13812345678", "15987654321", "17700001111"],
        ["138-1234-5678"],
        ["0049 171 1234567"],
        ["call me on +44 20 7946 0958 after six"],
    ],
    "IP address": [
        ["192.168.1.17", "8.8.8.8"],
        ["2001:db8::8a2e:370:7334", "fe80::1"],
        ["203.0.113.7, 10.0.0.1"],
        ["203.0.113.7:51234"],
        ["[2001:db8::1]:443"],
    ],
    "person's name": [
        ["Anna Schmidt", "Peter Weber", "Jürgen Groß"],
        ["Smith, John", "Garcia, Maria", "Zhou, Wei"],
        ["王小明", "李娜", "张伟", "陈静"],
        ["佐藤 花子", "鈴木 一郎", "田中 太郎"],
    ],
    "free text": [
        ["I was not happy with the size of these shoes", "It is the best that I have had"],
        ["Leider war die Hose zu klein und ich habe sie nicht behalten", "ok"],
        ["Je ne suis pas content de la qualité et je le dis", "bien"],
        ["衣服质量很好,物流也很快,下次还会再来购买。"],
    ],
}


@pytest.mark.parametrize(
    ("kind", "cells"), [(kind, cells) for kind, columns in CONTENT.items() for cells in columns]
)
def test_cells_alone_say_it(kind: str, cells: list[str]) -> None:
    found = personal_data("column_7", cells)
    assert found == (kind, "content")


@pytest.mark.parametrize(
    ("kind", "cell", "names"),
    [
        (
            "person's name",
            "Xyzzy",
            "first_name,lastName,Billing Name,Ship-to Name,Customer Name,Vorname,Nachname,Kundenname,"
            "Empfänger,prénom,nom_de_famille,Nom du client,apellidos,nombre completo,"
            "姓名,收货人,用户名,氏名,お名前,フリガナ",
        ),
        (
            "address",
            "Hauptstr. 5",
            "address,Billing Address1,shipping_street,Straße,Anschrift (Rechnung),"
            "adresse de livraison,rue,dirección,calle,收货地址,住址,住所,送付先住所",
        ),
        (
            "phone",
            "1712345678",
            "phone,Phone Number,mobile_number,Telefon,Handynummer,téléphone,móvil,"
            "teléfono,手机号码,联系电话,電話番号,携帯電話",
        ),
        (
            "e-mail",
            "anna@intranet",
            "email,E-Mail,customerEmail,courriel,correo,邮箱,メールアドレス",
        ),
        (
            "free text",
            "left it behind",
            "comment,order_notes,Bemerkung,commentaires,observaciones,review_comment_message",
        ),
        ("free text", "请放在门口谢谢", "备注,买家留言,コメント"),
    ],
)
def test_names_of_columns_in_six_languages_say_it(kind: str, cell: str, names: str) -> None:
    found = {name: personal_data(name, [cell]) for name in names.split(",")}
    assert found == dict.fromkeys(names.split(","), (kind, "name"))


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        (
            "order_number",
            ["100012345", "0108775015", "#1001", "113-1234567-1234567", "10-482-9931"],
        ),
        ("order_id", ["13000000001", "13000000002", "13000000003"]),  # counted up: no mobiles
        ("timestamp", ["1714558625", "1612069510766593", "2024-05-01T10:00:00+0200"]),
        ("time", ["2024-05-01 10:23:45 -0400", "01.05.2024 10.30", "01/05/2024", "2024年5月1日"]),
        ("day", ["01-02-2024", "01 02 2024", "20240501"]),
        ("price", ["1 234 567,00", "612 345 678", "$19.99", "-3.5e2", "+12.5"]),
        ("ean", ["4006381333931", "978-3-16-148410-0", "0 12345 67890 5"]),
        ("session", ["550e8400-e29b-41d4-a716-446655440000", "a3f5c9"]),
        ("app_version", ["1.2.3.4", "10.0.1.2"]),
        ("ip", ["203.0.113.0", "2001:db8:1:2::"]),  # shortened by an analytics tool
        ("clock", ["12:34", "12:34:56"]),
        ("image", ["logo@2x.png", "banner@3x.webp"]),
        ("email_consent", ["yes", "no"]),
        ("email", ["5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b5aa765d61d8327deb882cf99"]),  # a hash
        ("phone", ["138****5678"]),
        ("phone_calls", ["3", "12"]),
        ("device", ["mobile", "desktop"]),
        ("mobile", ["true", "false"]),
        ("product_name", ["WHITE HANGING HEART T-LIGHT HOLDER", "Jack Wolfskin jacket"]),
        ("brand", ["Calvin Klein", "Tom Tailor", "Michael Kors"]),
        ("商品名称", ["连衣裙", "高跟鞋", "白色毛衣", "金项链"]),
        ("event", ["浏览", "搜索", "收藏", "加购", "购买", "退货"]),
        ("city", ["Berlin", "New York", "São Paulo"]),
        (
            "postal_code",
            ["10115", "52043ee2162cf5aa7ee79974281641c6f11a68d276429a91f8ca0d4b6efa8100"],
        ),
        ("review_score", ["5", "1"]),
        ("address_id", ["17", "18"]),
        ("query", ["red shoes", "iphone 12 case"]),
        ("email", []),
        ("email", [None, "", "NULL"]),
    ],
)
def test_what_tells_nobody_is_none(name: str, cells: list[str | None]) -> None:
    assert personal_data(name, cells) is None


def test_one_address_among_many_searches_is_enough() -> None:
    assert personal_data("query", [*("shoes" for _ in range(99)), "anna@example.com"]) is not None


def test_a_name_is_told_whatever_its_signs() -> None:
    assert name_of_words("IP地址") == " ip 地址 "
    assert name_of_words("フリガナ") == " フリガナ "
    assert name_of_words("Ｅ－Ｍａｉｌ") == name_of_words("e-mail") == " e mail "
