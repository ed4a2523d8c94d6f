"""The settlement calendar: dated rules as data, the days that follow from them, and the states of a month."""
