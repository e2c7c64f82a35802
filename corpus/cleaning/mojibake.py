"""Mojibake: UTF-8 that was read as Latin-1, Windows-1252 or Mac Roman, as `Ã¤` for ä; `ftfy` undoes it.

`ftfy` looks for unlikely neighbours, and some of them are likely here: it takes `”Åbo` at the beginning of a line for
a Cyrillic letter, and the `Å²` of chemists for a `Ų`. So it is given only lines that hold a *sign*: what no language
writes, and what a letter of Finnish, Swedish, Sámi or their neighbours, or a typographic mark, becomes when its UTF-8
is misread. Where a letter and a mark have both readings, as `KESÄ–`, it is none. Of what `ftfy` finds, repairs by other
encodings are refused.
"""

from __future__ import annotations

import ftfy

from corpus.cleaning.searching import holding

_AT_ENDS = "”’»›…–—\xa0"
"""Marks that follow a word that ends in a capital letter; the others never follow one without a space."""
_INSIDE = "\x80-\x9f¡-º¼-¿€‚ƒ„†‡ˆ‰Š‹ŒŽ‘“•˜™šœžŸ"
"""What else the bytes 80 to BF are in Latin-1 or Windows-1252: those after the first of a character in UTF-8."""
SIGN = "|".join(
    (
        "[\x80-\x9f]",  # C1, which Windows-1252 fills with the marks that were meant
        f"Ã[{_INSIDE}]",  # ä, ö, å, é, á
        f"Ã[{_AT_ENDS}][a-zà-ÿÃ]",  # Å and Ö before a letter
        "Â[\xa0-¿]",  # no-break space, °, §, »
        "â(?:€|‚¬|„¢|ˆ’|†[’“”])",  # quotes and dashes, €, ™, −, arrows
        "[ÄÅ][¡¤¦¨ª¬¯¸¾¿]",  # š, ž, Ŧ, and letters to the south and east
        "[a-zÃ¡](?:Ä‘|Å‹|Å§)|Ä‘[a-z]|(?:ÄŒ|Å½)[a-z]",  # đ, ŋ, ŧ, Č, Ž
        "(?:[ÐÑ][°-¿€‚ƒ„…†‡ˆ‰Š‹ŒŽ]){2}",  # Cyrillic
        "ðŸ|ï»¿",  # emoji, the mark of byte order
        "√[§∂•©°ºÑñÖ]|‚Ä[ìîïòôú¶]",  # ä, ö, å, é, á, ü, Ä, Ö, Å, quotes and dashes in Mac Roman
    )
)
"""Pattern of text that was misread."""
ENCODINGS = {"latin-1", "sloppy-windows-1252", "macroman"}
"""By which a whole line may have been misread, as `ftfy` calls them."""

_CONFIG = ftfy.TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=False,
    fix_encoding=True,
    restore_byte_a0=True,  # `Å ` for Š: the second byte is a no-break space, which many a program made a space
    replace_lossy_sequences=True,  # a byte that was lost is marked, so that the rest of the line can be read
    decode_inconsistent_utf8=True,  # lines of which only a part was misread
    fix_c1_controls=True,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    fix_surrogates=False,
    remove_control_chars=False,
    normalization=None,
)


def read_anew(text: str) -> str:
    """Return a text with what was misread as it was meant, line by line: a text may be put together from several."""
    lines = text.split("\n")
    for number in holding([line.encode() for line in lines], SIGN):
        lines[number] = _read_line_anew(lines[number])
    return "\n".join(lines)


def _read_line_anew(line: str) -> str:
    fixed, plan = ftfy.fix_encoding_and_explain(line, _CONFIG)
    misread_by = {step.parameter for step in plan or () if step.action == "encode"}
    return fixed if misread_by <= ENCODINGS else line
