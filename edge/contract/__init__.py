"""The one language between edge and hub; all that outsiders may import from edge."""
