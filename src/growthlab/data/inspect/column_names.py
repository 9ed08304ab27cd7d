"""How columns are called in exports, in English, German, French, Spanish, Chinese and Japanese.

Names are plain (`plain_name`): in small letters, without accents, blanks and signs. The first that a
file has is the likely one.
"""

from __future__ import annotations

from growthlab.data.personal_data import name_of_words

ID_WORDS = ("id", "code", "number", "no", "nr", "key", "hash", "ref", "uuid")


def plain_name(name: str) -> str:
    """A name without what tells spellings apart.

    >>> plain_name("Customer ID"), plain_name("customer_id"), plain_name("用户 ID")
    ('customerid', 'customerid', '用户id')
    """
    return name_of_words(name).replace(" ", "")


def shorter_names(name: str) -> tuple[str, ...]:
    """Plain names of an id without the word before it, such as the shop's, or a second word for an id.

    >>> shorter_names("Shop Customer ID"), shorter_names("Customer Email ID")
    (('customerid', 'shopcustomer'), ('emailid', 'customeremail'))
    """
    words = name_of_words(name).split()
    shorter = [words[1:], *([words[:-1]] if words[-1:] and words[-1] in ID_WORDS else [])]
    return tuple("".join(some) for some in shorter if some)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


EVENTS: dict[str, tuple[str, ...]] = {
    "user_id": _names(
        "customeruniqueid userid visitorid customerid clientid memberid buyerid shopperid "
        "consumerid accountid personid contactid profileid uid userpseudoid fullvisitorid "
        "anonymousid cookieid customernumber customerno membernumber cardid cardnumber loyaltyid "
        "user customer client member visitor buyer shopper kundennr kundennummer kundenid "
        "kundeid kunde nutzerid nutzer benutzerid besucherid idclient numeroclient numclient "
        "numerodeclient noclient nclient nocliente utilisateurid idutilisateur utilisateur "
        "acheteur idvisiteur idcliente clienteid numerocliente numerodecliente idusuario "
        "usuarioid cliente usuario comprador 用户id 用户编号 用户标识 会员id 会员编号 会员号 "
        "会员卡号 客户id 客户编号 顾客id 顾客编号 买家id 用户 会员 客户 顾客 买家 ユーザーid "
        "ユーザid 会員id 会員番号 顧客id 顧客番号 顧客コード お客様番号 利用者id ユーザー 会員 "
        "顧客 customeremail useremail buyeremail billingemail email emailaddress courriel correo "
        "邮箱 メールアドレス"
    ),
    "item_id": _names(
        "itemid productid articleid goodsid skuid spuid variantid lineitemsku productsku itemsku "
        "sku stockcode asin ean gtin upc isbn itemcode productcode articlecode itemnumber "
        "productnumber articlenumber itemno productno articleno movieid trackid contentid item "
        "product article artikelnr artikelnummer artikelid produktnr produktnummer produktid "
        "artikel produkt idproduit produitid refproduit referenceproduit codeproduit codearticle "
        "refarticle reference produit idproducto productoid codigoproducto refproducto "
        "idarticulo codigoarticulo producto articulo 商品id 商品编号 商品编码 商品代码 产品id "
        "产品编号 产品编码 货品id 货品编号 宝贝id 货号 商品 产品 商品番号 商品コード 商品no "
        "製品id 製品番号 製品コード 品番 アイテムid lineitemname productname itemname "
        "artikelname nomproduit nombreproducto 商品名称 商品名"
    ),
    "event_type": _names(
        "eventtype eventname event behaviortype behaviourtype behavior behaviour actiontype "
        "action interactiontype interaction activitytype activity useraction type ereignistyp "
        "ereignis aktionstyp aktion vorgang typ typeevenement typedevenement evenement "
        "typeaction typedaction tipoevento tipodeevento evento tipoaccion tipodeaccion accion "
        "tipo 行为类型 行为 用户行为 事件类型 事件 事件名称 操作类型 操作 动作 类型 "
        "イベントタイプ イベント種別 イベント名 イベント 行動種別 行動 アクション 種別"
    ),
    "status": _names(
        "orderstatus financialstatus paymentstatus status state bestellstatus auftragsstatus "
        "statut etat statutcommande estado estadopedido 订单状态 交易状态 状态 注文状態 "
        "注文ステータス ステータス 状態"
    ),
    "timestamp": _names(
        "eventtimestamp eventtime timestamp orderpurchasetimestamp purchasetimestamp "
        "eventdatetime purchasetime purchasedate ordertime orderdatetime orderdate "
        "invoicedatetime invoicedate transactiontime transactiondate createdat datecreated "
        "createdtime createdon placedat orderedat occurredat originaltimestamp actiontime "
        "visittime paidat datetime tdat unixtime time ts date eventdate zeitstempel zeitpunkt "
        "bestellzeit bestelldatum kaufdatum kaufzeit rechnungsdatum auftragsdatum erstelltam "
        "zeit datum horodatage datecommande datedecommande dateachat datedachat datefacture "
        "datecreation dateheure heure marcadetiempo fechahora fechayhora fechapedido "
        "fechadepedido fechacompra fechadecompra fechafactura fecha hora 行为时间 事件时间 "
        "下单时间 购买时间 交易时间 支付时间 付款时间 成交时间 订单时间 创建时间 访问时间 "
        "操作时间 发生时间 时间戳 时间 下单日期 订单日期 购买日期 日期 注文日時 購入日時 "
        "発生日時 行動日時 作成日時 タイムスタンプ 日時 注文日 購入日 時刻 日付"
    ),
    "position": _names("position ordernumber ordinal sequence seq step eventindex timestamp"),
    "quantity": _names(
        "quantity lineitemquantity itemquantity orderquantity qtyordered qty units pieces "
        "itemcount menge bestellmenge anzahl stuckzahl quantite qte cantidad unidades 购买数量 "
        "商品数量 数量 件数 個数 点数"
    ),
    "unit_price": _names(
        "unitprice lineitemprice itemprice productprice saleprice sellingprice baseprice price "
        "einzelpreis stuckpreis verkaufspreis preis prixunitaire prix preciounitario precio "
        "商品单价 单价 商品价格 售价 价格 单位价格 単価 販売価格 価格 grandtotalbase grandtotal "
        "ordertotal totalprice linetotal itemtotal totalamount amount revenue total betrag "
        "gesamtbetrag summe umsatz montant montanttotal importe monto 实付金额 支付金额 交易金额 "
        "成交金额 订单金额 消费金额 金额 購入金額 合計金額 売上"
    ),
    "order_id": _names(
        "orderid invoiceno invoicenumber invoice invoiceid transactionid receiptid receiptnumber "
        "basketid ordernumber orderno orderreference incrementid ordername order bestellnr "
        "bestellnummer bestellid auftragsnr auftragsnummer rechnungsnr rechnungsnummer belegnr "
        "bonnummer idcommande numerocommande numerodecommande nocommande ncommande commande "
        "numerofacture facture idpedido numeropedido numerodepedido npedido nopedido pedido "
        "numerofactura factura 订单id 订单号 订单编号 订单 交易号 交易编号 注文id 注文番号 "
        "受注番号 伝票番号 注文"
    ),
    "session_id": _names(
        "sessionid usersession gasessionid session visitid sitzungsid sitzung idsession idsesion "
        "sesion 会话id 会话 セッションid セッション"
    ),
    "query": _names(
        "searchquery searchterm searchkeyword query keyword searchstring suchbegriff suchwort "
        "termerecherche recherche terminobusqueda busqueda 搜索词 搜索关键词 关键词 "
        "検索キーワード 検索語 検索ワード"
    ),
    "rating": _names("rating stars reviewscore bewertung valoracion puntuacion 评分 評価"),
    "channel": _names("saleschannelid saleschannel channel kanal canal 渠道 チャネル"),
    "cancelled_at": _names(
        "cancelledat canceledat cancellationdate storniertam 取消时间 キャンセル日時"
    ),
}

ITEMS: dict[str, tuple[str, ...]] = {
    "item_id": EVENTS["item_id"],
    "text": _names(
        "productname itemname prodname articlename name title productdisplayname description "
        "detaildesc artikelname produktname bezeichnung beschreibung nomproduit nomduproduit "
        "libelle nom titre nombreproducto nombre titulo descripcion 商品名称 产品名称 商品标题 "
        "商品名 标题 名称 品名 製品名 タイトル"
    ),
    "category": _names(
        "category categoryname productcategory productcategoryname producttypename producttype "
        "categoryid itemcategory catid categorycode departmentname department aisle aisleid "
        "departmentid genre genres kategorie warengruppe categorie rayon categoria familia "
        "商品类目 类目 类目id 商品类别 类别 品类 分类 商品分类 カテゴリ カテゴリー 分類"
    ),
    "price": EVENTS["unit_price"],
    "available_from": _names(
        "availablefrom releasedate launchdate erscheinungsdatum 上架时间 発売日"
    ),
    "in_stock": _names(
        "instock stock inventory onhand lagerbestand bestand disponible existencias 库存 在庫"
    ),
}

# of one piece, or of a whole line or order
TOTALS = frozenset(
    _names(
        "grandtotalbase grandtotal ordertotal totalprice linetotal itemtotal totalamount amount "
        "revenue total betrag gesamtbetrag summe umsatz montant montanttotal importe monto "
        "实付金额 支付金额 交易金额 成交金额 订单金额 消费金额 金额 購入金額 合計金額 売上"
    )
)
ORDER_NAMES = _names("name number no nr numero id")  # that of an order, where its cells look so
PACKED_ITEMS = {  # the fields of an item that is written into a cell
    "item_id": _names("productid sku itemid id name"),
    "quantity": _names("quantity qty"),
    "unit_price": _names("price unitprice"),
    "total": _names("total subtotal"),
}
