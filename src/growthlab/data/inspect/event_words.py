"""What shops call what customers do, in English, German, French, Spanish, Chinese and Japanese."""

from __future__ import annotations

import re
import unicodedata

from growthlab.data.inspect.column_names import plain_name


def plain_word(word: str) -> str:
    """A word without what tells spellings apart; a number is itself.

    >>> plain_word("Product Viewed"), plain_word("add_to_cart"), plain_word("4.0")
    ('productviewed', 'addtocart', '4')
    """
    text = unicodedata.normalize("NFKC", word).strip()
    number = re.fullmatch(r"(\d+)(\.0*)?", text)
    return number[1] if number else plain_name(text)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BY_TYPE: dict[str, str] = {
    "view": (
        "view views viewed viewitem viewproduct viewcontent productview productviewed "
        "productdetail productdetailview itemview itemviewed detail details detailview pv "
        "pageview browse browsed visit ansicht angesehen aufruf produktansicht gesehen vue vues "
        "consultation vueproduit consulte vista visto ver vistaproducto visualizacion 浏览 "
        "浏览商品 查看 访问 看 閲覧 商品閲覧 表示"
    ),
    "click": (
        "click clicks clicked clk selectitem productclicked itemclick klick clic clique 点击 "
        "クリック"
    ),
    "impression": (
        "impression impressions viewitemlist productlistviewed exposure shown einblendung "
        "affichage impresion 曝光 展示 露出 インプレッション"
    ),
    "search": (
        "search searches searched searchquery viewsearchresults productssearched suche gesucht "
        "recherche busqueda buscar 搜索 检索 搜寻 検索"
    ),
    "favourite": (
        "fav favs favorite favorites favourite favourites favor collect collection wishlist like "
        "liked addtowishlist addtofavorites productaddedtowishlist save saved bookmark merken "
        "gemerkt merkzettel wunschliste favori favoris ajoutfavoris favorito favoritos "
        "listadedeseos 收藏 加收藏 关注 喜欢 お気に入り お気に入り追加"
    ),
    "cart": (
        "cart carts cartadd addtocart addcart atc productadded addtobasket addtobag basket carted "
        "warenkorb indenwarenkorb panier ajoutpanier ajoutaupanier ajouteraupanier carrito "
        "anadiralcarrito agregaralcarrito 加购 加购物车 加入购物车 购物车 加车 カート カート追加 "
        "カート投入 カートに入れる"
    ),
    "purchase": (
        "purchase purchases purchased buy buys bought order orders ordered ordercompleted "
        "orderplaced transaction sale sold pay paid payment completepurchase checkoutcompleted "
        "purchasecompleted kauf gekauft kaufen bestellung bestellt verkauf achat achats achete "
        "commande vente compra compras comprado pedido venta 购买 下单 支付 付款 成交 买 购 購入 "
        "購買 注文 支払"
    ),
    "return": (
        "return returns returned refund refunds refunded orderrefunded retoure retouren ruckgabe "
        "erstattung retour retours remboursement rembourse devolucion devoluciones reembolso "
        "devuelto 退货 退款 退换货 返品 返金"
    ),
    "review": (
        "review reviewed productreviewed rate rated rating comment bewertung bewertet avis "
        "evaluation resena valoracion opinion 评价 评论 评分 レビュー 評価"
    ),
}
NO_EVENT = _words(
    "removefromcart cartremove removecart productremoved removefrombasket remove unlike "
    "removefromwishlist productremovedfromwishlist sessionstart sessionend session firstvisit "
    "firstopen userengagement scroll begincheckout checkout checkoutstarted checkoutstepviewed "
    "checkoutstepcompleted addpaymentinfo paymentinfoentered addshippinginfo viewcart cartviewed "
    "viewpromotion selectpromotion promotionviewed promotionclicked couponapplied couponentered "
    "login logout signup signedup register identify page screen home filedownload formstart "
    "formsubmit videostart entferntauswarenkorb anmeldung connexion inscription retraitpanier "
    "registro eliminardelcarrito 登录 注册 移除购物车 取消收藏 删除 退出 ログイン 会員登録 "
    "カート削除"
)  # what says nothing of an item, or takes something back
EVENT_WORDS: dict[str, str] = {w: ours for ours, words in _BY_TYPE.items() for w in words.split()}

_BY_STATUS: dict[str, str] = {
    "purchase": (
        "complete completed processing paid partiallypaid partiallyrefunded authorized shipped "
        "delivered invoiced approved fulfilled onhold pending open created new closedwon bezahlt "
        "versendet geliefert abgeschlossen erledigt offen paye payee expediee livree terminee "
        "encours pagado enviado entregado completado 已完成 已支付 已付款 已发货 已签收 交易成功 "
        "支払済 発送済 完了 配達済"
    ),
    "return": (
        "refunded closed returned erstattet retourniert remboursee devuelto reembolsado 已退款 "
        "已退货 返金済 返品済"
    ),
    "": (
        "canceled cancelled void voided failed unavailable expired pendingpayment paymentreview "
        "draft checkoutdraft trash fraud storniert abgebrochen fehlgeschlagen annulee echouee "
        "cancelado fallido 已取消 待付款 未支付 交易关闭 キャンセル 未払い"
    ),
}
STATUS_WORDS: dict[str, str | None] = {
    w: ours or None for ours, words in _BY_STATUS.items() for w in words.split()
}

# numbers say nothing by themselves: those of the logs that Alibaba has published
NUMBERED: tuple[dict[str, str], ...] = (
    {"1": "view", "2": "favourite", "3": "cart", "4": "purchase"},
    {"0": "click", "1": "cart", "2": "purchase", "3": "favourite"},
)
