"""Reports for people: PDF and CSV."""
