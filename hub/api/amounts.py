"""Money as text: exact decimal yuan, since nano-yuan do not fit into the numbers of a browser."""

NANO_YUAN_PER_YUAN = 1_000_000_000
FEN_PER_YUAN = 100


def yuan_text_from_nano_yuan(amount_nano_yuan: int) -> str:
    """Return nano-yuan as yuan with nine decimals, for example -700000000 -> "-0.700000000"."""
    return _decimal_text(amount_nano_yuan, NANO_YUAN_PER_YUAN, 9)


def yuan_text_from_fen(amount_fen: int) -> str:
    """Return fen as yuan with two decimals, for example 1234 -> "12.34"."""
    return _decimal_text(amount_fen, FEN_PER_YUAN, 2)


def _decimal_text(amount: int, scale: int, decimals: int) -> str:
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), scale)
    return f"{sign}{whole}.{rest:0{decimals}d}"
