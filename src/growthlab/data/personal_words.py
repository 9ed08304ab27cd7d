"""The words by which personal data is known, in English, German, French, Spanish, Chinese and Japanese.

Words of names are in lower case, without accents and signs: ``Prénom`` and ``PRENOM`` are ``prenom``.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in text.split(","))


E_MAIL = _phrases("email, emails, mail, courriel, correo, 邮箱, 邮件, 电邮, 郵箱, 電郵, メール")
PHONE = _phrases(
    "phone, phones, telephone, tel, mobile, cell, cellphone, phonenumber, mobilephone, fax, "
    "telefon, telefonnummer, handy, handynummer, mobilnummer, rufnummer, portable, "
    "telefono, movil, celular, 电话, 手机, 電話, 携帯"
)
PERSON = _phrases(
    "first name, firstname, last name, lastname, family name, given name, middle name, surname, "
    "forename, full name, fullname, customer name, customername, client name, clientname, user name, "
    "username, buyer name, contact name, member name, guest name, recipient, recipient name, "
    "billing name, shipping name, bill to name, ship to name, cardholder, "
    "vorname, nachname, familienname, kundenname, name des kunden, empfanger, ansprechpartner, "
    "prenom, prenoms, nom de famille, nom client, nom du client, nom complet, destinataire, "
    "nombre cliente, nombre del cliente, nombre completo, apellido, apellidos, destinatario, "
    "姓名, 收货人, 收件人, 客户名, 顾客名, 会员名, 用户名, 联系人, 昵称, "
    "氏名, お名前, 顧客名, 会員名, 受取人, 宛名, 注文者, フリガナ, ふりがな"
)
PERSON_ALONE = _words("姓 名 名前 名字")  # only as the whole name of a column
ADDRESS = _phrases(
    "address, addresses, addr, street, strasse, anschrift, adresse, hausnummer, rue, "
    "direccion, calle, domicilio, 地址, 住址, 街道, 住所, 番地"
)
TEXT = _phrases(
    "comment, comments, note, notes, remark, remarks, message, messages, feedback, complaint, "
    "review, reviews, kommentar, kommentare, bemerkung, bemerkungen, anmerkung, notiz, notizen, "
    "nachricht, commentaire, commentaires, remarque, avis, comentario, comentarios, observaciones, "
    "mensaje, 备注, 留言, 评论, 评价, コメント, 備考, メッセージ, レビュー"
)
OF_GOODS = _words(  # a name that holds one of these is not that of a person, nor of a place to live
    "product item article brand artist author title category event campaign file host page "
    "produkt artikel marke autor produit marque auteur producto articulo marca version build os "
    "商品 产品 品牌 作者 店铺 製品"
)
FLAGS = _words("0 1 yes no true false y n t f ja nein oui non si sí 是 否 有 无 はい いいえ")
FILE_ENDINGS = _words("png jpg jpeg gif svg webp avif css js html php pdf mp4 json xml")

FUNCTION_WORDS = _words(
    "i you he she it we they me my your our their the a an and or but not is was are were be have has "
    "had this that with for from of to in on at please very can could when because "
    "ich du er sie es wir ihr mich mir mein meine der die das und oder aber nicht ist war sind habe hat "
    "ein eine mit von zu im auf bitte sehr wenn "
    "je tu il elle nous vous moi mon ma le la les un une et ou mais pas est etait sont ai avec pour de "
    "dans sur tres que qui "
    "yo el ella nosotros mi mis los las uno una y o pero no es era son he ha con para por en muy como"
)
GIVEN_NAMES = _words(
    "anna maria marie julia laura sarah sara emma sophie sofia lisa lena lea hannah hanna mia clara "
    "katharina christina christine sabine petra monika claudia andrea susanne ursula karin heike "
    "nicole stefanie martina birgit ingrid helga jan peter michael thomas andreas stefan stephan "
    "christian markus martin klaus hans wolfgang jurgen werner uwe frank dieter juergen bernd matthias "
    "alexander daniel sebastian florian felix lukas paul jonas leon max maximilian moritz tobias "
    "johannes philipp david simon erik karl otto friedrich "
    "james john robert william richard joseph charles christopher matthew anthony mark donald steven "
    "andrew joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan jacob gary "
    "nicholas eric jonathan stephen larry justin scott brandon benjamin samuel gregory patrick "
    "raymond jack dennis jerry tyler aaron adam henry oliver harry charlie jane alice mary patricia "
    "jennifer linda elizabeth barbara susan jessica karen nancy margaret betty sandra ashley kimberly "
    "emily donna michelle carol amanda melissa deborah rebecca sharon cynthia kathleen amy angela "
    "olivia amelia grace ella chloe lucy helen ruth kate ann anne jose bob tom tim ben sam joe jim "
    "jean pierre jacques philippe alain bernard nicolas laurent julien antoine francois louis luc "
    "hugo camille chloe manon nathalie isabelle sylvie catherine francoise valerie celine aurelie "
    "juan carlos luis miguel pedro javier manuel francisco antonio jorge pablo diego sergio fernando "
    "alejandro rafael alberto ana carmen lucia isabel elena rosa pilar marta cristina beatriz "
    "yuki haruto hiroshi takashi kenji akira yoko keiko wei fang jing"
)
SURNAMES = frozenset(  # the first sign of a Chinese name
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏"
    "魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦傅方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵"
    "万钱严覃武戴莫孔向汤張劉陳楊趙吳孫馬鄭謝許韓馮鄧"
)
SURNAMES_OF_TWO = _words(
    "佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田 佐々 山口 松本 井上 "
    "木村 清水 山崎 池田 橋本 阿部 石川 山下 中島 石井 小川 前田 岡田 長谷 藤田 後藤 "
    "近藤 村上 遠藤 青木 坂本 斎藤 斉藤 福田 太田 西村 藤井 金子 岡本 藤原 中野 三浦 "
    "原田 中川 松田 竹内 小野 田村 中山 和田 森田 上田 石田 欧阳 司马 诸葛 上官 "
)
