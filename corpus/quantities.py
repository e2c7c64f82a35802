"""Large numbers as people read them."""


def amount(number: float) -> str:
    """Return a number with three digits and k, M, B or T."""
    for unit in ("", "k", "M", "B"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}T"
