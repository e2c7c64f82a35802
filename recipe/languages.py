"""Codes of languages: what a recipe calls a language, in ISO 639-3, and in the codes of the engines that identify it.

The engines are not imported: a login node may have none of them, and a recipe is to be refused before any job.
"""

from __future__ import annotations

_THREE_LETTERS = """
    ab:abk af:afr am:amh an:arg ar:ara as:asm az:aze ba:bak be:bel bg:bul bn:ben bo:bod br:bre bs:bos ca:cat ce:che
    co:cos cs:ces cv:chv cy:cym da:dan de:deu dv:div dz:dzo ee:ewe el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas
    fi:fin fj:fij fo:fao fr:fra fy:fry ga:gle gd:gla gl:glg gn:grn gu:guj gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv
    ht:hat hu:hun hy:hye ia:ina id:ind ig:ibo io:ido is:isl it:ita iu:iku ja:jpn jv:jav ka:kat ki:kik kk:kaz kl:kal
    km:khm kn:kan ko:kor ku:kur kw:cor ky:kir la:lat lb:ltz lg:lug ln:lin lo:lao lt:lit lv:lav mg:mlg mi:mri mk:mkd
    ml:mal mn:mon mr:mar ms:msa mt:mlt my:mya nb:nob ne:nep nl:nld nn:nno no:nor nv:nav oc:oci om:orm or:ori os:oss
    pa:pan pi:pli pl:pol ps:pus pt:por qu:que rm:roh ro:ron ru:rus rw:kin sa:san sc:srd sd:snd se:sme sg:sag sh:hbs
    si:sin sk:slk sl:slv sn:sna so:som sq:sqi sr:srp st:sot sv:swe sw:swa ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk
    tl:tgl tr:tur ts:tso tt:tat tw:twi ug:uig uk:ukr ur:urd uz:uzb vi:vie vo:vol wa:wln xh:xho yi:yid yo:yor zh:zho
    zu:zul
"""
_PY3LANGID = """
    ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu ext fa fi fo fr fuv fy
    ga gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is it ja jv ka kab kik kk km kn ko ku ky la lb lg
    lij ln lo lt ltg lv mg mk ml mn mr ms mt my ne nl nn no nso oc om or pa pcm pl ps pt qu ro ru rw sa sdh se si sk sl
    sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz uzs vec vi vo wa wuu xh yo yue zh zu
"""
_HELIPORT = """
    abk ace adz afr aii ame amh amr ara arl arn asm ayr aze bak bar bcl bel ben boa bod bpy bre bul cat cbu cdo ceb ces
    che chk cho chr chv chy ckb cmn cnh cor cos cym dan deu dik diq div ell eng epo est eus ewe ext fao fij fin fon fra
    fry gaz gla gle glg glv gom grn gsw guj hat hbs heb hin hmo hsb hun hus huu hye ibo ido iku ilo ina isl ita izh jpn
    kac kal kan kat kaz kbd kbp kca khm kir kmr knc koi kor kpv krc ksh lao lat lav lin lit liv lmo ltz lud lug luo lus
    mal mar mcd mcf mdf mhr mkd mlg mlt mns mon mri mrj msa mwl mya myv nav nep nhn nio nld nno nob nso nus oci olo ori
    oss pag pam pan pbt pes pfl pli pms pnb pol pon por que roh ron rus sag sah sat scn sgs shk shn sin sjd sjk sju slk
    slv sma sme smj smn sms sna snd som sot spa sqi srd swa swe tam tat tca tel tet tgk tgl tha tir tso tuk tur twi tzh
    udm uig ukr ura urd uzn vie vls vol vot war wln xmf yid yor yrk zul
"""
ISO_639_3 = dict(pair.split(":") for pair in _THREE_LETTERS.split())
"""Two letters -> three."""
_ONE_FOR_MANY = {
    "py3langid": {"nob": "no"},
    "heliport": {"fas": "pes", "kur": "kmr", "nor": "nob", "orm": "gaz", "pus": "pbt", "uzb": "uzn", "zho": "cmn"},
}
"""Three letters -> the one of its languages, or the one it belongs to, that an engine knows."""
ENGINES = {
    "py3langid": frozenset(_PY3LANGID.split()),
    "heliport": frozenset(_HELIPORT.split()),
}
"""Engine -> the languages that it knows, in its own codes: py3langid 0.4.0, heliport 1.0.1."""


def three_letters(language: str) -> str:
    """Return a recipe's code of a language in ISO 639-3, where it has one; else as it is."""
    return ISO_639_3.get(language, language)


def engine_code(engine: str, language: str) -> str | None:
    """Return what an engine calls a language that a recipe writes in two or three letters; None if it knows it not."""
    code = three_letters(language)
    two = next((short for short, long in ISO_639_3.items() if long == code), code)
    candidates = (language, code, two, _ONE_FOR_MANY[engine].get(code, code))
    return next((candidate for candidate in candidates if candidate in ENGINES[engine]), None)


_MIN_PROBABILITY = {"fin": 0.9, "lat": 0.9, "sme": 0.9, "swe": 0.75}
"""Of `py3langid`: of clean documents of 200 bytes, fewer than 1 in 100 are less sure."""


def min_score(engine: str, language: str) -> float:
    """Return the least confidence that a document in a language is to have, in the measure of an engine.

    `heliport` has thresholds of its own, below which it names no language.
    """
    return _MIN_PROBABILITY.get(three_letters(language), 0.5) if engine == "py3langid" else 0.0
