"""The rounds: whom the server asks, what it admits, how it aggregates, what it writes down."""
