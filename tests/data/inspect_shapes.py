"""Small files in the shapes of fourteen exports, and the events that are in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Event = tuple[Any, ...]
GA4_DAY = 1_612_069_200_000_000  # 2021-01-31 05:00 in microseconds


@dataclass(frozen=True)
class Shape:
    """An export: what is typed behind ``growthlab inspect``, and its events in the columns named.

    `edits` are the lines of the yaml that a person changes: what stands there, and what is to stand.
    """

    write: Callable[[Path], Sequence[str]]
    columns: str
    events: Sequence[Event]
    items: Sequence[Event] = ()
    edits: tuple[tuple[str, str], ...] = ()


def table(header: str, *rows: str) -> bytes:
    return ("\n".join([header, *rows]) + "\n").encode()


def written(folder: Path, **files: bytes) -> list[str]:
    """The files under their names, in which a double underscore stands for the point."""
    names = [name.replace("__", ".") for name in files]
    for name, content in zip(names, files.values(), strict=True):
        (folder / name).write_bytes(content)
    return names


def shopify(folder: Path) -> list[str]:
    head = (
        "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,"
        "Subtotal,Shipping,Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,"
        "Lineitem quantity,Lineitem name,Lineitem price,Lineitem compare at price,Lineitem sku,"
        "Lineitem requires shipping,Lineitem taxable,Lineitem fulfillment status,Billing Name,Billing Street,"
        "Billing Address1,Billing Address2,Billing Company,Billing City,Billing Zip,Billing Province,"
        "Billing Country,Billing Phone,Notes,Note Attributes,Cancelled at,Payment Method,Payment Reference,"
        "Refunded Amount,Vendor,Id,Tags,Risk Level,Source,Phone"
    )
    names = head.split(",")

    def row(**cells: str) -> str:
        return ",".join(cells.get(name.replace(" ", "_"), "") for name in names)

    def first(name: str, email: str, status: str, at: str, **cells: str) -> str:
        person = {
            "Billing_Name": "Anna Schmidt",
            "Billing_Address1": "Hauptstr. 5",
            "Billing_Phone": "+49 30 901820",
        }
        known = {"Name": name, "Email": email, "Financial_Status": status, "Created_at": at}
        return row(
            **known,
            **person,
            Currency="EUR",
            Total="53.00",
            Source="web",
            Id="45" + name[1:],
            **cells,
        )

    def line(sku: str, name: str, quantity: int, price: str) -> dict[str, str]:
        cells = {"Lineitem_sku": sku, "Lineitem_name": name, "Lineitem_price": price}
        return {**cells, "Lineitem_quantity": str(quantity), "Vendor": "Tea House"}

    return written(
        folder,
        orders_export__csv=table(
            head,
            first(
                "#1001",
                "anna@example.com",
                "paid",
                "2024-05-01 10:23:45 -0400",
                **line("TEA-1", "Green Tea", 2, "9.00"),
            ),
            row(Name="#1001", **line("CUP-1", "Cup - blue", 1, "35.00")),
            first(
                "#1002",
                "ben@example.com",
                "refunded",
                "2024-05-02 09:00:00 -0400",
                **line("TEA-1", "Green Tea", 1, "9.00"),
            ),
            first(
                "#1003",
                "anna@example.com",
                "voided",
                "2024-05-03 12:00:00 -0400",
                **line("CUP-1", "Cup - blue", 4, "35.00"),
            ),
            row(Name="#1003", **line("TEA-1", "Green Tea", 1, "9.00")),
        ),
    )


def woocommerce(folder: Path) -> list[str]:
    head = (
        "order_id,order_number,order_date,status,shipping_total,order_total,order_currency,payment_method,"
        "customer_ip_address,customer_id,customer_email,billing_first_name,billing_phone,line_items"
    )
    tea = "id:11|name:Green Tea|product_id:71|sku:TEA-1|quantity:2|subtotal:18.00|total:18.00"
    cup = "id:12|name:Cup; blue|product_id:72|sku:|quantity:1|subtotal:35.00|total:30.00"
    return written(
        folder,
        orders__csv=table(
            head,
            f"501,501,2024-05-01 10:23:45,completed,5.00,53.00,EUR,cod,203.0.113.7,17,anna@example.com,Anna,"
            f'+49 30 901820,"{tea};{cup}"',
            "502,502,2024-05-02 09:00:00,cancelled,5.00,9.00,EUR,cod,203.0.113.8,0,ben@example.com,Ben,"
            f'+49 30 901821,"{tea}"',
            "503,503,2024-05-03 08:30:00,processing,0.00,9.00,EUR,cod,203.0.113.8,0,ben@example.com,Ben,"
            f'+49 30 901821,"{cup}"',
        ),
    )


def magento(folder: Path) -> list[str]:
    head = (
        'ID,"Purchase Point","Purchase Date","Bill-to Name","Ship-to Name","Grand Total (Base)",'
        '"Grand Total (Purchased)",Status,"Billing Address","Shipping Address","Shipping Information",'
        '"Customer Email","Customer Group",Subtotal,"Shipping and Handling","Customer Name","Payment Method",'
        '"Total Refunded"'
    )

    def row(number: str, at: str, amount: str, status: str, email: str, name: str) -> str:
        place = "Main Website\nMain Website Store\nDefault Store View"
        return (
            f'{number},"{place}","{at}","{name}","{name}","{amount}","{amount}",{status},"5 Main St,Dover",'
            f'"5 Main St,Dover","Flat Rate - Fixed",{email},General,"{amount}",$0.00,"{name}",checkmo,'
        )

    return written(
        folder,
        export__csv=table(
            head,
            row(
                "000000001",
                "May 1, 2024 10:23:45 AM",
                "$53.00",
                "complete",
                "anna@example.com",
                "Anna Lee",
            ),
            row(
                "000000002",
                "May 2, 2024 9:00:00 PM",
                "$1,209.50",
                "processing",
                "ben@example.com",
                "Ben Roy",
            ),
            row(
                "000000003",
                "May 3, 2024 8:30:00 AM",
                "$9.00",
                "canceled",
                "ben@example.com",
                "Ben Roy",
            ),
        ),
    )


def ga4(folder: Path) -> list[str]:
    def event(
        name: str, seconds: int, *items: dict[str, Any], user: str = "1.5", **more: Any
    ) -> str:
        params = [
            {"key": "ga_session_id", "value": {"int_value": "77"}},
            {"key": "page_location", "value": {"string_value": "https://shop.example/p"}},
        ]
        params += [{"key": k, "value": {"string_value": v}} for k, v in more.items()]
        order = {"transaction_id": "T9"} if name == "purchase" else {}
        return json.dumps(
            {
                "event_date": "20210131",
                "event_timestamp": str(GA4_DAY + seconds * 1_000_000),
                "event_name": name,
                "event_params": params,
                "user_id": None,
                "user_pseudo_id": user,
                "device": {"category": "mobile", "web_info": {"browser": "Chrome"}},
                "geo": {"country": "Germany"},
                "ecommerce": order,
                "items": list(items),
            }
        )

    tea = {"item_id": "TEA-1", "item_name": "Green Tea", "price": 9.0, "quantity": "2"}
    cup = {"item_id": "CUP-1", "item_name": "Cup", "price": 35.0, "quantity": "1"}
    rows = [
        event("session_start", 0),
        event("page_view", 1),
        event("view_search_results", 2, search_term="green tea"),
        event("view_item", 3, tea),
        event("add_to_cart", 4, tea),
        event("add_to_wishlist", 5, cup),
        event("purchase", 6, tea, cup),
        event("page_view", 7, user="2.5"),
        event("view_item", 8, cup, user="2.5"),
    ]
    return written(folder, events_20210131__json=("\n".join(rows) + "\n").encode())


def segment(folder: Path) -> list[str]:
    def track(event: str, minute: int, user: str, **properties: Any) -> str:
        return json.dumps(
            {
                "type": "track",
                "event": event,
                "userId": user,
                "anonymousId": f"anon-{user}",
                "messageId": f"m-{minute}-{user}",
                "timestamp": f"2024-05-01T10:{minute:02}:00.000Z",
                "context": {"ip": "203.0.113.7", "library": {"name": "analytics.js"}},
                "properties": properties,
            }
        )

    tea = {"product_id": "TEA-1", "name": "Green Tea", "price": 9.0, "quantity": 2}
    cup = {"product_id": "CUP-1", "name": "Cup", "price": 35.0, "quantity": 1}
    rows = [
        track("Products Searched", 1, "u1", query="tea"),
        track("Product Viewed", 2, "u1", product_id="TEA-1", name="Green Tea", price=9.0),
        track("Product Added", 3, "u1", **tea),
        track("Checkout Started", 4, "u1", order_id="o1"),
        track("Order Completed", 5, "u1", order_id="o1", revenue=53.0, products=[tea, cup]),
        track("Product Viewed", 6, "u2", product_id="CUP-1", name="Cup", price=35.0),
    ]
    return written(folder, tracks__jsonl=("\n".join(rows) + "\n").encode())


def retail_rocket(folder: Path) -> list[str]:
    return written(
        folder,
        events__csv=table(
            "timestamp,visitorid,event,itemid,transactionid",
            "1433221332117,257597,view,355908,",
            "1433221999827,111016,addtocart,318965,",
            "1433222276276,111016,transaction,318965,4000",
        ),
        item_properties__csv=table(
            "timestamp,itemid,property,value",
            "1435460400000,460429,categoryid,1338",
            "1441508400000,206783,888,1116713 960601 n277.200",
            "1439089200000,460429,400,n552.000 639502 n720.000",
        ),
        category_tree__csv=table("categoryid,parentid", "1016,213", "809,169"),
    )


def olist(folder: Path) -> list[str]:
    return written(
        folder,
        olist_orders_dataset__csv=table(
            '"order_id","customer_id","order_status","order_purchase_timestamp","order_approved_at",'
            '"order_delivered_carrier_date","order_delivered_customer_date","order_estimated_delivery_date"',
            '"e481","9ef4","delivered",2017-10-02 10:56:33,2017-10-02 11:07:15,2017-10-04 19:55:00,'
            "2017-10-10 21:25:13,2017-10-18 00:00:00",
            '"53cd","b083","canceled",2018-07-24 20:41:37,2018-07-26 03:24:27,,,2018-08-13 00:00:00',
            '"4777","41ce","shipped",2018-08-08 08:38:49,2018-08-08 08:55:23,2018-08-08 13:50:00,,'
            "2018-09-04 00:00:00",
        ),
        olist_order_items_dataset__csv=table(
            '"order_id","order_item_id","product_id","seller_id","shipping_limit_date","price","freight_value"',
            '"e481",1,"87285b","3504c0",2017-10-06 11:07:15,29.99,8.72',
            '"e481",2,"595fac","289cdb",2017-10-06 11:07:15,118.70,22.76',
            '"53cd",1,"595fac","289cdb",2018-07-30 03:24:27,118.70,22.76',
            '"4777",1,"87285b","3504c0",2018-08-13 08:55:23,159.90,19.22',
        ),
        olist_customers_dataset__csv=table(
            '"customer_id","customer_unique_id","customer_zip_code_prefix","customer_city","customer_state"',
            '"9ef4","7c396f","03149","sao paulo","SP"',
            '"b083","af0756","47813","barreiras","BA"',
            '"41ce","7c396f","75265","vianopolis","GO"',
        ),
        olist_products_dataset__csv=table(
            '"product_id","product_category_name","product_name_lenght","product_weight_g"',
            '"87285b","perfumaria","40","225"',
            '"595fac","artes","44","1000"',
        ),
        olist_order_payments_dataset__csv=table(
            '"order_id","payment_sequential","payment_type","payment_installments","payment_value"',
            '"e481",1,"credit_card",8,180.17',
            '"53cd",1,"boleto",1,141.46',
        ),
    )


def h_and_m(folder: Path) -> list[str]:
    return written(
        folder,
        transactions_train__csv=table(
            "t_dat,customer_id,article_id,price,sales_channel_id",
            "2018-09-20,000058a1,0663713001,0.05083050847457627,2",
            "2018-09-20,000058a1,0541518023,0.030491525423728813,2",
            "2018-09-21,00007d2d,0663713001,0.05083050847457627,1",
        ),
        articles__csv=table(
            "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,detail_desc",
            "0663713001,0663713,Atlanta Push Body,283,Underwear body,Underwear,Lace push-up body with bra.",
            "0541518023,0541518,Rae Push,306,Bra,Underwear,Lace push-up bras with underwired cups.",
        ),
        customers__csv=table(
            "customer_id,FN,Active,club_member_status,fashion_news_frequency,age,postal_code",
            "000058a1,,,ACTIVE,NONE,49.0,52043ee2162cf5aa7ee79974281641c6f11a68d276429a91f8ca0d4b6efa8100",
            "00007d2d,1.0,1.0,ACTIVE,Regularly,25.0,"
            "2973abc54daa8a5f8ccfe9362140c63247c5eee03f1d93f4c830291c32bc3057",
        ),
    )


def instacart(folder: Path) -> list[str]:
    return written(
        folder,
        orders__csv=table(
            "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order",
            "2539329,1,prior,1,2,08,",
            "2398795,1,prior,2,3,07,15.0",
            "1187899,1,train,3,4,08,14.0",
            "2168274,2,prior,1,2,11,",
        ),
        order_products__prior__csv=table(
            "order_id,product_id,add_to_cart_order,reordered",
            "2539329,196,1,0",
            "2539329,14084,2,0",
            "2398795,196,1,1",
            "2168274,32792,1,0",
        ),
        order_products__train__csv=table(
            "order_id,product_id,add_to_cart_order,reordered", "1187899,196,1,1"
        ),
        products__csv=table(
            "product_id,product_name,aisle_id,department_id",
            "196,Soda,77,7",
            '14084,"Organic Unsweetened Almond Milk, Vanilla",91,16',
            "32792,Chipotle Beef & Pork Realstick,23,19",
        ),
        aisles__csv=table("aisle_id,aisle", "77,soft drinks", "91,soy lactosefree"),
    )


def taobao(folder: Path) -> list[str]:
    return written(
        folder,
        UserBehavior__csv=table(
            "1,2268318,2520377,pv,1511544070",
            "1,2333346,2520771,pv,1511561733",
            "1,2333346,2520771,cart,1511572885",
            "100,2576651,149192,fav,1511593493",
            "100,2333346,2520771,buy,1511596146",
        ),
    )


def tmall(folder: Path) -> list[str]:
    return written(
        folder,
        user_log_format1__csv=table(
            "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type",
            "328862,323294,833,2882,2661,829,0",
            "328862,844400,1271,2882,2661,829,0",
            "328862,844400,1271,2882,2661,830,3",
            "328862,844400,1271,2882,2661,1111,2",
            "234512,323294,833,2882,2661,1110,1",
        ),
        user_info_format1__csv=table("user_id,age_range,gender", "328862,3,0", "234512,5,1"),
    )


def rees46(folder: Path) -> list[str]:
    return written(
        folder,
        **{
            "2019-Oct__csv": table(
                "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session",
                "2019-10-01 00:00:00 UTC,view,44600062,210380745959,,shiseido,35.79,541312140,72d76fde",
                "2019-10-01 00:00:09 UTC,cart,3900821,2053013552326770905,appliances.environment,aqua,33.20,"
                "554748717,9333dfbd",
                "2019-10-01 00:00:11 UTC,remove_from_cart,3900821,2053013552326770905,appliances.environment,"
                "aqua,33.20,554748717,9333dfbd",
                "2019-10-01 00:00:20 UTC,purchase,44600062,210380745959,,shiseido,35.79,541312140,72d76fde",
            )
        },
    )


def online_retail(folder: Path) -> list[str]:
    return written(
        folder,
        online_retail_II__csv=table(
            "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country",
            "489434,85048,CHRISTMAS GLASS BALL 20 LIGHTS,12,2009-12-01 07:45:00,6.95,13085.0,United Kingdom",
            "489434,79323P,PINK CHERRY LIGHTS,12,2009-12-01 07:45:00,6.75,13085.0,United Kingdom",
            "C489449,22087,PAPER BUNTING WHITE LACE,-12,2009-12-01 10:33:00,2.95,16321.0,Australia",
            "489521,21646,,-50,2009-12-01 11:44:00,0.0,,United Kingdom",
        ),
    )


def chinese(folder: Path) -> list[str]:
    text = table(
        "用户ID,商品ID,行为类型,时间,金额",
        "张三01,A100,浏览,2024/5/1 10:00,",
        "张三01,,搜索,2024/5/1 10:01,",
        "张三01,A100,收藏,2024/5/1 10:02,",
        "张三01,A100,加购,2024/5/1 10:03,",
        '张三01,A100,购买,2024/5/2 9:05,"1,299.00"',
        '李四02,B200,退货,2024/5/13 18:30,"-59.90"',
    )
    return written(folder, **{"行为数据__csv": text.decode().encode("gb18030")})


SHAPES: dict[str, Shape] = {
    "shopify": Shape(
        shopify,
        "user_id, event_type, item_id, quantity, unit_price, order_id, timestamp",
        [
            ("anna@example.com", "purchase", "CUP-1", 1, 35, "#1001", "2024-05-01 14:23:45"),
            ("anna@example.com", "purchase", "TEA-1", 2, 9, "#1001", "2024-05-01 14:23:45"),
            ("ben@example.com", "return", "TEA-1", 1, 9, "#1002", "2024-05-02 13:00:00"),
        ],
    ),
    "woocommerce": Shape(
        woocommerce,
        "user_id, event_type, item_id, quantity, unit_price, order_id, timestamp",
        [
            ("anna@example.com", "purchase", "71", 2, 9, "501", "2024-05-01 10:23:45"),
            ("anna@example.com", "purchase", "72", 1, 30, "501", "2024-05-01 10:23:45"),
            ("ben@example.com", "purchase", "72", 1, 30, "503", "2024-05-03 08:30:00"),
        ],
    ),
    "magento": Shape(
        magento,
        "user_id, event_type, item_id, unit_price, order_id, timestamp",
        [
            ("anna@example.com", "purchase", None, 53, "000000001", "2024-05-01 10:23:45"),
            ("ben@example.com", "purchase", None, 1209.5, "000000002", "2024-05-02 21:00:00"),
        ],
    ),
    "ga4": Shape(
        ga4,
        "user_id, event_type, item_id, quantity, unit_price, session_id, query, order_id, timestamp",
        [
            ("1.5", "cart", "TEA-1", 2, 9, "77", None, None, "2021-01-31 05:00:04"),
            ("1.5", "favourite", "CUP-1", 1, 35, "77", None, None, "2021-01-31 05:00:05"),
            ("1.5", "purchase", "CUP-1", 1, 35, "77", None, "T9", "2021-01-31 05:00:06"),
            ("1.5", "purchase", "TEA-1", 2, 9, "77", None, "T9", "2021-01-31 05:00:06"),
            ("1.5", "search", None, None, None, "77", "green tea", None, "2021-01-31 05:00:02"),
            ("1.5", "view", "TEA-1", 2, 9, "77", None, None, "2021-01-31 05:00:03"),
            ("2.5", "view", "CUP-1", 1, 35, "77", None, None, "2021-01-31 05:00:08"),
        ],
    ),
    "segment": Shape(
        segment,
        "user_id, event_type, item_id, quantity, unit_price, query, order_id, timestamp",
        [
            ("u1", "cart", "TEA-1", 2, 9, None, None, "2024-05-01 10:03:00"),
            ("u1", "purchase", "CUP-1", 1, 35, None, "o1", "2024-05-01 10:05:00"),
            ("u1", "purchase", "TEA-1", 2, 9, None, "o1", "2024-05-01 10:05:00"),
            ("u1", "search", None, None, None, "tea", None, "2024-05-01 10:01:00"),
            ("u1", "view", "TEA-1", None, 9, None, None, "2024-05-01 10:02:00"),
            ("u2", "view", "CUP-1", None, 35, None, None, "2024-05-01 10:06:00"),
        ],
    ),
    "retailrocket": Shape(
        retail_rocket,
        "user_id, event_type, item_id, order_id, timestamp",
        [
            ("111016", "cart", "318965", None, "2015-06-02 05:13:19.827"),
            ("111016", "purchase", "318965", "4000", "2015-06-02 05:17:56.276"),
            ("257597", "view", "355908", None, "2015-06-02 05:02:12.117"),
        ],
    ),
    "olist": Shape(
        olist,
        "user_id, event_type, item_id, unit_price, order_id, timestamp",
        [
            ("7c396f", "purchase", "595fac", 118.7, "e481", "2017-10-02 10:56:33"),
            ("7c396f", "purchase", "87285b", 29.99, "e481", "2017-10-02 10:56:33"),
            ("7c396f", "purchase", "87285b", 159.9, "4777", "2018-08-08 08:38:49"),
        ],
        items=[("595fac", None, "artes"), ("87285b", None, "perfumaria")],
    ),
    "h_m": Shape(
        h_and_m,
        "user_id, event_type, item_id, unit_price, channel, timestamp",
        [
            (
                "000058a1",
                "purchase",
                "0541518023",
                0.030491525423728813,
                "2",
                "2018-09-20 00:00:00",
            ),
            ("000058a1", "purchase", "0663713001", 0.05083050847457627, "2", "2018-09-20 00:00:00"),
            ("00007d2d", "purchase", "0663713001", 0.05083050847457627, "1", "2018-09-21 00:00:00"),
        ],
        items=[
            ("0541518023", "Rae Push", "Bra"),
            ("0663713001", "Atlanta Push Body", "Underwear body"),
        ],
    ),
    "instacart": Shape(
        instacart,
        "user_id, event_type, item_id, order_id, position",
        [
            ("1", "purchase", "14084", "2539329", 1),
            ("1", "purchase", "196", "1187899", 3),
            ("1", "purchase", "196", "2398795", 2),
            ("1", "purchase", "196", "2539329", 1),
            ("2", "purchase", "32792", "2168274", 1),
        ],
        items=[
            ("14084", "Organic Unsweetened Almond Milk, Vanilla", "91"),
            ("196", "Soda", "77"),
            ("32792", "Chipotle Beef & Pork Realstick", "23"),
        ],
    ),
    "taobao": Shape(
        taobao,
        "user_id, event_type, item_id, timestamp",
        [
            ("1", "cart", "2333346", "2017-11-25 01:21:25"),
            ("1", "view", "2268318", "2017-11-24 17:21:10"),
            ("1", "view", "2333346", "2017-11-24 22:15:33"),
            ("100", "favourite", "2576651", "2017-11-25 07:04:53"),
            ("100", "purchase", "2333346", "2017-11-25 07:49:06"),
        ],
    ),
    "tmall": Shape(
        tmall,
        "user_id, event_type, item_id, position",
        [
            ("234512", "cart", "323294", 1110),
            ("328862", "click", "323294", 829),
            ("328862", "click", "844400", 829),
            ("328862", "favourite", "844400", 830),
            ("328862", "purchase", "844400", 1111),
        ],
    ),
    "rees46": Shape(
        rees46,
        "user_id, event_type, item_id, unit_price, session_id, timestamp",
        [
            ("541312140", "purchase", "44600062", 35.79, "72d76fde", "2019-10-01 00:00:20"),
            ("541312140", "view", "44600062", 35.79, "72d76fde", "2019-10-01 00:00:00"),
            ("554748717", "cart", "3900821", 33.2, "9333dfbd", "2019-10-01 00:00:09"),
        ],
    ),
    "online_retail_ii": Shape(
        online_retail,
        "user_id, event_type, item_id, quantity, unit_price, order_id, timestamp",
        [
            ("13085", "purchase", "79323P", 12, 6.75, "489434", "2009-12-01 07:45:00"),
            ("13085", "purchase", "85048", 12, 6.95, "489434", "2009-12-01 07:45:00"),
            ("16321", "return", "22087", 12, 2.95, "C489449", "2009-12-01 10:33:00"),
        ],
    ),
    "chinese_export": Shape(
        chinese,
        "user_id, event_type, item_id, unit_price, timestamp",
        [
            ("张三01", "cart", "A100", None, "2024-05-01 10:03:00"),
            ("张三01", "favourite", "A100", None, "2024-05-01 10:02:00"),
            ("张三01", "purchase", "A100", 1299, "2024-05-02 09:05:00"),
            ("张三01", "search", None, None, "2024-05-01 10:01:00"),
            ("张三01", "view", "A100", None, "2024-05-01 10:00:00"),
            ("李四02", "return", "B200", 59.9, "2024-05-13 18:30:00"),
        ],
    ),
}
