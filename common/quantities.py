"""Large numbers and times as people read them."""


def amount(number: float) -> str:
    """Return a number with three digits and k, M, B or T."""
    for unit in ("", "k", "M", "B"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}T"


def clock(seconds: float) -> str:
    """Return a time to the second, for logs and what was measured: h:mm:ss, days before it where there are any."""
    minutes, second = divmod(int(seconds + 0.5), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{days} d {hour}:{minute:02}:{second:02}" if days else f"{hour}:{minute:02}:{second:02}"


def duration(seconds: float) -> str:
    """Return a time roughly, for sentences and tables: 40 s, 12 min, 3 h 10, 2 d, 2 d 4 h, 11 d.

    Rounded down to its largest unit, hours and fewer than ten days to the next one too, where there are any of that.
    """
    minutes, hours, days = (int(seconds // size) for size in (60, 3600, 86400))
    if days:
        return f"{days} d {hours % 24} h" if days < 10 and hours % 24 else f"{days} d"
    if hours:
        return f"{hours} h {minutes % 60:02}" if minutes % 60 else f"{hours} h"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"
